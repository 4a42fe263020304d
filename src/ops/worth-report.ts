/** What routing by prefix is worth, as metrics. */
import type { Pod, RoutedDecision } from '../domain.ts';
import type { SampledAnswer } from '../routing/worth/sampled-answers.ts';
import type { Instruments } from './instruments/instruments.ts';

export interface WorthParts {
  readonly instruments: Instruments;
  /** What an engine takes for each prompt token that is not cached, by what it says itself; undefined: not known. */
  readonly prefillSecondsPerToken: (pod: Pod) => number | undefined;
}

export type WorthReport = ReturnType<typeof reportWorth>;

export function reportWorth({ instruments, prefillSecondsPerToken }: WorthParts) {
  return {
    /** What is expected of a decision. */
    decided({ model, arm, tokens, pod }: RoutedDecision): void {
      if (tokens === undefined) return;
      const { prompt, gpu, cpu, storage } = tokens;
      instruments.promptTokens.add(prompt, { model, arm });
      if (gpu > 0) instruments.predictedTokens.add(gpu, { model, arm, tier: 'gpu' });
      if (cpu > 0) instruments.predictedTokens.add(cpu, { model, arm, tier: 'cpu' });
      if (storage > 0) instruments.predictedTokens.add(storage, { model, arm, tier: 'storage' });
      const cached = gpu + cpu + storage;
      if (cached === 0) return;
      const rate = prefillSecondsPerToken(pod);
      if (rate === undefined) instruments.unratedTokens.add(cached, { model, arm });
      else instruments.savedSeconds.add(cached * rate, { model, arm });
    },

    /** What came of it, of those that are sampled. */
    sampled({ decision, answer, firstByteMs, outcome }: SampledAnswer): void {
      const { model, arm, reason } = decision;
      if (reason === 'cancelled') return;
      instruments.sampledAnswers.add(1, { model, outcome: outcome.kind });
      if (firstByteMs !== undefined)
        instruments.firstByte.record(firstByteMs / 1_000, { arm, reason, answer });
      if (!('reportedTokens' in outcome)) return;
      instruments.sampledPromptTokens.add(outcome.promptTokens, { model, arm });
      instruments.sampledPredicted.add(outcome.predictedTokens, { model, arm });
      instruments.sampledReported.add(outcome.reportedTokens, { model, arm });
    },
  };
}
