import type { Config } from '../config.ts';
import type { Pod } from '../domain.ts';
import { reportExactTokens } from '../ops/exact-tokens-report.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Logger } from '../ops/log/log.ts';
import type { PodListener, PodRegistry } from '../pods/registry.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';
import type { Doubt } from '../routing/confirmations.ts';
import { monotonicClock } from '../time.ts';
import { createExactTokenizer } from '../tokenizers/exact-tokenizer.ts';
import type { ModelState } from '../tokenizers/loaded-models.ts';
import { ParityCheck } from '../tokenizers/parity/parity-check.ts';
import { ParityGuard, type ParityRecord, type ParityState } from '../tokenizers/parity/parity-guard.ts';
import { SegmentCache } from '../tokenizers/segments/segment-cache.ts';
import { loadModels } from './loading-tokenizers.ts';
import { createTokenizerFiles, otherwise as insteadOf } from './tokenizer-files.ts';

export interface ExactTokensParts {
  readonly registry: PodRegistry;
  /** Of prompts whose tokens are not computed here. */
  readonly otherwise: Tokenizer;
  /** Makes what asks engines to compare with. undefined: they are never asked. */
  readonly engines: () => Tokenizer | undefined;
  readonly instruments: Instruments;
  readonly log: Logger;
  readonly random: () => number;
  readonly onUnexpected: (error: unknown) => void;
}

/** What `/debug/tokenizers` shows of a model. */
export interface ShownTokenizer {
  readonly model: string;
  readonly tokenizer: ModelState;
  readonly endpoints: readonly (Omit<ParityRecord, 'model' | 'state'> & { readonly state: object })[];
}

export interface ExactTokens {
  readonly tokenizer: Tokenizer;
  /** Hears of pods, after all that it asks. */
  readonly keeper: Required<Pick<PodListener, 'joined' | 'changed'>>;
  /** What is predicted does not come true. */
  readonly doubted: (doubt: Doubt) => void;
  /** An engine's process is another one. */
  readonly restarted: (pod: string) => void;
  shown(): readonly ShownTokenizer[];
}

/** undefined: all tokens are the engines' to make (`WARMROUTE_TOKENIZER=engine`). */
export function createExactTokens(config: Config, parts: ExactTokensParts): ExactTokens | undefined {
  const { registry, otherwise, instruments, log, random, onUnexpected } = parts;
  const files = createTokenizerFiles(config, log);
  if (files === undefined) return undefined;
  const engines = parts.engines();
  const cache = new SegmentCache(config.tokenizerSegmentsBytes);
  const report = reportExactTokens(instruments, log, insteadOf(config), () => ({
    records: guard.records(),
    segmentBytes: cache.bytes,
  }));
  const guard = new ParityGuard({
    ...{ checkPercent: config.tokenizerCheckPercent, random, now: monotonicClock },
    onFact: report.parity,
  });
  const models = loadModels(files, cache, fact => {
    report.loading(fact);
    if (fact.kind === 'loaded') check.loaded(fact.model, podsOf(fact.model));
    else guard.forget(fact.model);
  });
  const check = new ParityCheck({ models, guard, engines, now: monotonicClock, onUnexpected });
  const podsOf = (model: string): Pod[] =>
    registry.pods().filter(pod => pod.model === model && !registry.isUnready(pod.name));
  const tokenizer = createExactTokenizer({ models, guard, check, otherwise, onFact: report.tokens });

  return {
    tokenizer: {
      tokenize: (prompt, pods, signal) => tokenizer.tokenize(prompt, pods, signal),
      async close() {
        await tokenizer.close();
        await engines?.close();
        await models.close();
      },
    },
    keeper: {
      joined: pod => check.engineChanged(pod),
      changed: () => models.retain(registry.pods()),
    },
    doubted({ kind, pod, model, endpoint }) {
      if (kind === 'doubted')
        guard.unconfirmed((pod ?? registry.serving(model)[0])?.model ?? model, endpoint);
    },
    restarted(name) {
      const pod = registry.pods().find(pod => pod.name === name);
      if (pod !== undefined) check.engineChanged(pod);
    },
    shown: () =>
      [...new Set(registry.pods().map(({ model }) => model))].map(model => ({
        model,
        tokenizer: models.stateOf(model),
        endpoints: guard
          .records()
          .filter(each => each.model === model)
          .map(({ endpoint, state, equal, different }) => {
            return { endpoint, state: shownState(state), equal, different };
          }),
      })),
  };
}

/** Nobody knows when a monotonic clock began. */
function shownState(state: ParityState): object {
  if (state.kind !== 'doubted') return state;
  return { kind: state.kind, why: state.why, leftMs: Math.round(state.untilMs - monotonicClock()) };
}
