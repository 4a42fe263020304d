/** The recording of traffic, where one is configured. */
import type { Config } from '../config.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Logger } from '../ops/log/log.ts';
import { logRecording, reportRecording } from '../ops/record-report.ts';
import { realFiles } from '../record/file-system.ts';
import { createRecorder, type Recorder } from '../record/recorder.ts';
import { Recording } from '../record/recording.ts';
import { monotonicClock, wallClock } from '../time.ts';

/** How long the end waits for the disk. */
const LAST_LINES_MS = 2_000;

export interface RecordedTraffic {
  readonly recorder: Recorder;
  stop(): Promise<void>;
}

/** undefined: nothing is recorded. */
export function recordTraffic(
  config: Config,
  { instruments, log }: { readonly instruments: Instruments; readonly log: Logger },
): RecordedTraffic | undefined {
  const { recordFile: path, recordBlockTokens: blockTokens } = config;
  if (path === undefined) return undefined;
  const recording = new Recording({
    ...{ path, maxBytes: config.recordMaxBytes, maxFiles: config.recordFiles, files: realFiles },
    ...{ blockTokens, now: monotonicClock, wallClock, onFact: logRecording(log, path) },
  });
  reportRecording(instruments, recording);
  const recorder = createRecorder({
    ...{ blockTokens, now: monotonicClock, onDecided: exchange => recording.add(exchange) },
  });
  return { recorder, stop: () => recording.stop(LAST_LINES_MS) };
}
