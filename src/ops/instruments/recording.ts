/** Recordings of traffic (docs/record.md). */
import { total } from './instrument.ts';

export const RECORDING_METRICS = {
  recordedLines: total('warmroute_recorded_lines_total', {
    unit: 'lines',
    help: 'Lines written to WARMROUTE_RECORD_FILE, one a request',
    bad: 'None with traffic and a recording: see the log, and `warmroute_record_lines_dropped_total`.',
  }),
  recordLinesDropped: total('warmroute_record_lines_dropped_total', {
    unit: 'lines',
    help: 'Lines that were not written to WARMROUTE_RECORD_FILE: its disk is full or too slow, or its path cannot be written',
    bad: 'Any: the recording has a gap. The log says why; requests are served all the same.',
  }),
};
