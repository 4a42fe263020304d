/** The engine's own tokens, computed in process: joined to the files, the engines to compare with, and what is heard of them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Pod } from '../domain.ts';
import { reportExactTokens } from '../ops/exact-tokens-report.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Logger } from '../ops/log/log.ts';
import type { PodListener, PodRegistry } from '../pods/registry.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';
import type { Doubt } from '../routing/confirmations.ts';
import { monotonicClock, realSleep } from '../time.ts';
import { createExactTokenizer } from '../tokenizers/exact-tokenizer.ts';
import { MODEL_CONFIG, type TokenizerFiles } from '../tokenizers/files/tokenizer-files.ts';
import { LoadedModels, type ModelState } from '../tokenizers/loaded-models.ts';
import { ParityCheck } from '../tokenizers/parity/parity-check.ts';
import { ParityGuard, type ParityRecord } from '../tokenizers/parity/parity-guard.ts';
import { SegmentCache } from '../tokenizers/segments/segment-cache.ts';
import { compileTemplate } from '../tokenizers/template/template.ts';
import {
  DEFAULT_TEXT_TOKENIZER_LIMITS,
  startTextTokenizer,
  type TextTokenizer,
} from '../tokenizers/worker/text-tokenizer.ts';
import { createTokenizerFiles } from './tokenizer-files.ts';

export interface ExactTokensParts {
  readonly registry: PodRegistry;
  /** Of prompts whose tokens are not computed here. */
  readonly otherwise: Tokenizer;
  /** Asks engines to compare with. undefined: they are never asked. */
  readonly engines: Tokenizer | undefined;
  readonly instruments: Instruments;
  readonly log: Logger;
  readonly random: () => number;
  readonly onUnexpected: (error: unknown) => void;
}

/** What `/debug/tokenizers` shows of a model. */
export interface ShownTokenizer {
  readonly model: string;
  readonly tokenizer: ModelState;
  readonly endpoints: readonly Omit<ParityRecord, 'model'>[];
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

/**
 * Of one rendering, which is done between requests: a prompt of a million characters takes some 300,000 steps, and these at most some
 * 20 ms where a template is made to be slow.
 */
const TEMPLATE_LIMITS = { steps: 300_000, characters: 16 * 1024 * 1024 };

export function compileBoundedTemplate(source: string): ReturnType<typeof compileTemplate> {
  return compileTemplate(source, { limits: TEMPLATE_LIMITS });
}

export async function startTokenizer(
  { directory, tokenizerJson, tokenizerConfig }: TokenizerFiles,
  signal: AbortSignal,
): Promise<TextTokenizer> {
  const read = (path: string) => readFile(path, 'utf8');
  const config = tokenizerConfig === undefined ? undefined : await read(tokenizerConfig);
  const modelConfig = await read(join(directory, MODEL_CONFIG)).catch(() => undefined);
  return startTextTokenizer(
    { tokenizerJson, tokenizerConfig: config, modelConfig },
    DEFAULT_TEXT_TOKENIZER_LIMITS,
    signal,
  );
}

/** undefined: all tokens are the engines' to make (`WARMROUTE_TOKENIZER=engine`). */
export function createExactTokens(
  config: Config,
  { registry, otherwise, engines, instruments, log, random, onUnexpected }: ExactTokensParts,
): ExactTokens | undefined {
  const files = createTokenizerFiles(config, log);
  if (files === undefined) return undefined;
  const cache = new SegmentCache(config.tokenizerSegmentsBytes);
  const report = reportExactTokens(instruments, log, () => ({
    records: guard.records(),
    segmentBytes: cache.bytes,
  }));
  const guard = new ParityGuard({
    ...{ checkPercent: config.tokenizerCheckPercent, random, now: monotonicClock },
    onFact: report.parity,
  });
  const models = new LoadedModels({
    ...{ files, cache, now: monotonicClock, sleep: realSleep },
    compile: compileBoundedTemplate,
    start: startTokenizer,
    onFact(fact) {
      report.loading(fact);
      if (fact.kind === 'loaded') check.loaded(fact.model, podsOf(fact.model));
      else guard.forget(fact.model);
    },
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
          .map(({ model: _, ...each }) => each),
      })),
  };
}
