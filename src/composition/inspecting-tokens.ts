/** What `warmroute tokens` shows: a request's tokens as the router computes them, and where an engine's differ. */
import type { Config } from '../config.ts';
import type { Pod, TokenizerPlace } from '../domain.ts';
import type { Logger } from '../ops/log/log.ts';
import { createRemoteTokenizer } from '../prompt/engine/remote-tokenizer.ts';
import type { PromptRequest } from '../prompt/request.ts';
import { describeFilesProblem } from '../tokenizers/files/problem.ts';
import type { FilesProblem } from '../tokenizers/files/tokenizer-files.ts';
import type { ModelTokenizer, ShownSegment } from '../tokenizers/model-tokenizer.ts';
import { type Comparison, compareWithEngine } from '../tokenizers/parity/comparison.ts';
import { SegmentCache } from '../tokenizers/segments/segment-cache.ts';
import { readEngineAccess } from './engine-access.ts';
import { loadModels } from './loading-tokenizers.ts';
import { createTokenizerFiles } from './tokenizer-files.ts';

export type InspectedTokens =
  | {
      readonly kind: 'tokens';
      readonly segments: readonly ShownSegment[];
      readonly cut: ModelTokenizer['segments'];
    }
  /** `why`: for whoever asks. */
  | { readonly kind: 'none'; readonly why: string };

export interface TokenInspection {
  readonly model: string;
  /** undefined: where the router would look for the model's files. */
  readonly place: TokenizerPlace | undefined;
  readonly prompt: PromptRequest;
}

const WHY: Readonly<Record<string, string>> = {
  media: 'it has images or the like: only the engine knows their tokens',
  form: 'it has what only the engine can show, or what depends on how the engine was started (docs/tokenizing.md)',
  no_template: 'chats of this model are rendered by the engine',
  template: 'the chat template refuses it, or fails',
  failed: 'the tokenizer failed',
};

/** What is wrong is the command's to say. */
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

export async function inspectTokens(
  config: Config,
  inspection: TokenInspection,
  ending: AbortSignal,
): Promise<InspectedTokens> {
  const { model, place, prompt } = inspection;
  const files = createTokenizerFiles({ ...config, tokenizer: 'auto' }, SILENT)!;
  const settled = Promise.withResolvers<string | undefined>();
  const models = loadModels(files, new SegmentCache(0), fact => {
    if (fact.kind === 'loaded') settled.resolve(undefined);
    else if (fact.kind === 'unusable') settled.resolve(fact.why);
  });
  files.onChange(() => {
    const state = files.of(model);
    if (state.kind === 'broken') settled.resolve(whyBroken(state.problem, place));
  });
  const end = () => settled.reject(ending.reason);
  ending.addEventListener('abort', end, { once: true });
  try {
    models.retain([podOf(model, place)]);
    if (!models.expects(model))
      return {
        kind: 'none',
        why: 'nothing says where its tokenizer files are: give --tokenizer, or set WARMROUTE_TOKENIZER_DIR or WARMROUTE_TOKENIZER_HUB',
      };
    const problem = await settled.promise;
    const tokenizer = models.of(model);
    if (problem !== undefined || tokenizer === undefined)
      return { kind: 'none', why: problem ?? 'it was not loaded' };
    const segments = await tokenizer.segmentsOf(prompt);
    if ('kind' in segments) return { kind: 'none', why: WHY[segments.why]! };
    return { kind: 'tokens', segments, cut: tokenizer.segments };
  } finally {
    ending.removeEventListener('abort', end);
    await models.close();
  }
}

/** What the engine at `url` makes of the same request, beside `ours`. */
export async function compareWithEngineAt(
  config: Config,
  url: URL,
  prompt: PromptRequest,
  ours: Uint32Array,
  ending: AbortSignal,
): Promise<Comparison> {
  const engine = createRemoteTokenizer({
    ...{ timeoutMs: config.tokenizerTimeoutMs, cacheBytes: 0, maxConnectionsPerPod: 1 },
    breaker: { failures: 1, halfOpenAfterMs: 1 },
    urlOf: () => url.href,
    access: await readEngineAccess(config),
  });
  try {
    return await compareWithEngine(engine, prompt, [podOf(prompt.model, undefined)], ours, ending);
  } finally {
    await engine.close();
  }
}

/** What stands for the engines of a model that is not served here. */
function podOf(model: string, tokenizer: TokenizerPlace | undefined): Pod {
  return {
    ...{ name: 'engine', ip: '127.0.0.1', port: 8000, model, aliases: [], labels: {} },
    kvEvents: { kind: 'none' },
    ...(tokenizer && { tokenizer }),
  };
}

function whyBroken(problem: FilesProblem, place: TokenizerPlace | undefined): string {
  return problem.kind === 'no_directory' && place !== undefined
    ? `there is no directory ${problem.directory} (--tokenizer)`
    : describeFilesProblem(problem);
}
