/** How the worth of routing is measured in the configuration at hand: an experiment, and a sample of answers. */
import type { Config } from '../config.ts';
import type { EngineMetrics } from '../engine-api/engine-metrics.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Metrics } from '../ops/metrics/metrics.ts';
import { reportWorth, type WorthReport } from '../ops/worth-report.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sample } from '../routing/route.ts';
import { type Draw, drawnOf } from '../routing/worth/drawn.ts';
import { SampledAnswers } from '../routing/worth/sampled-answers.ts';
import { monotonicClock } from '../time.ts';

/** At 50 tokens a second each, and 40 µs a token, less than a hundredth of one core. */
const STREAMS_PER_PERCENT = 4;

export interface Worth {
  readonly drawsControl: Draw;
  readonly sampleNext: () => Sample;
  readonly samples: SampledAnswers;
  readonly report: WorthReport;
}

export interface WorthMeasureParts {
  readonly metrics: Metrics;
  readonly instruments: Instruments;
  readonly engineMetrics: EngineMetrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** undefined: nothing is recorded. */
  readonly recorder: Pick<Recorder, 'sampled'> | undefined;
}

export function measureWorth(
  { controlPercent, answerSamplePercent }: Config,
  parts: WorthMeasureParts,
): Worth {
  const { metrics, instruments, engineMetrics, random, recorder } = parts;
  const report = reportWorth({
    instruments,
    prefillSecondsPerToken(pod) {
      const load = engineMetrics.shownLoadOf(pod.name);
      return load.kind === 'known' ? load.recent.prefillSecondsPerToken : undefined;
    },
  });
  metrics.beforeScrape(() => engineMetrics.lookedAt());
  const isSampled = drawnOf(answerSamplePercent, random);
  return {
    drawsControl: drawnOf(controlPercent, random),
    sampleNext: () => (isSampled() ? 'sampled' : 'not_sampled'),
    samples: new SampledAnswers({
      maxStreams: Math.max(1, Math.round(STREAMS_PER_PERCENT * answerSamplePercent)),
      now: monotonicClock,
      onSampled(sample) {
        report.sampled(sample);
        recorder?.sampled(sample);
      },
    }),
    report,
  };
}
