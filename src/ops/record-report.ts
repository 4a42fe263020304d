/** How a recording goes, as metrics and log lines. */
import type { Recording, RecordingFact } from '../record/recording.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';

/** @param path as it is configured */
export function logRecording(log: Logger, path: string): (fact: RecordingFact) => void {
  return fact => {
    switch (fact.kind) {
      case 'failed':
        log.warn(
          { file: path, err: fact.error },
          'the recording cannot be written (WARMROUTE_RECORD_FILE); it is tried again, and what there is no room for meanwhile is dropped',
        );
        break;
      case 'overflowed':
        log.warn(
          { file: path },
          'the recording is not written fast enough (WARMROUTE_RECORD_FILE): lines are dropped',
        );
        break;
      case 'recovered':
        log.info({ file: path, dropped: fact.dropped }, 'the recording is written again');
    }
  };
}

/** Counted at the scrape. */
export function reportRecording(
  instruments: Instruments,
  recording: Pick<Recording, 'written' | 'dropped'>,
): void {
  instruments.recordedLines.onScrape(set => set(recording.written));
  instruments.recordLinesDropped.onScrape(set => set(recording.dropped));
}
