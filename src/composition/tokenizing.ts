/** How prompts become tokens and blocks in the mode that is configured. */
import { type Config, usesEvents } from '../config.ts';
import { hostOf, type Pod, type TokenSpace } from '../domain.ts';
import type { EngineAccess } from '../prompt/engine/http.ts';
import { createRemoteTokenizer, type RemoteTokenizerOptions } from '../prompt/engine/remote-tokenizer.ts';
import { withFallback } from '../prompt/fallback-tokenizer.ts';
import { createLocalTokenizer } from '../prompt/local-tokenizer.ts';
import { type Tokenizer, TokenizerError } from '../prompt/tokenizer.ts';

/** Tokens per block until an engine's events have shown its own size: vLLM's default. */
const ENGINE_BLOCK_SIZE_TOKENS = 16;
/** AIBrix counts four bytes per token id. */
const BYTES_PER_TOKEN = 4;
/**
 * AIBrix's default block is four bytes: a prompt of megabytes has hundreds of thousands, each of which costs time and
 * displaces other prompts, while its first 8,192 tell the pods apart as well.
 */
const MAX_HISTORY_BLOCKS_PER_PROMPT = 8_192;
/** A pod whose tokenizer fails or is late this often in a row is probed, and if that fails, left alone for a while. */
const BREAKER = { failures: 5, halfOpenAfterMs: 5_000 };

type Observed = Pick<RemoteTokenizerOptions, 'onCall' | 'around'>;

/** The tokenizer of the mode that is configured. */
export function createTokenizer(config: Config, access: EngineAccess, observed: Observed): Tokenizer {
  if (config.mode.kind === 'local')
    return createLocalTokenizer(config.mode.tokenizer, maxLocalTokens(config, config.mode.tokenizer));
  if (config.mode.kind === 'local_with_events') return NO_TOKENS;
  const remote = createRemoteTokenizer({
    ...remoteOptions(config, access),
    cacheBytes: config.tokenizerCacheBytes,
    ...observed,
  });
  return config.mode.kind === 'remote'
    ? withFallback(
        remote,
        createLocalTokenizer(config.mode.fallback, maxLocalTokens(config, config.mode.fallback)),
      )
    : remote;
}

/** Asks engines afresh each time, beside the requests, with circuits of its own. undefined: engines are not asked. */
export function createComparisonTokenizer(
  config: Config,
  access: EngineAccess,
  { onCall, around }: Observed,
): Tokenizer | undefined {
  if (config.mode.kind === 'local' || config.mode.kind === 'local_with_events') return undefined;
  return createRemoteTokenizer({
    ...{ ...remoteOptions(config, access), cacheBytes: 0 },
    ...(around && { around }),
    // Circuits, and forms that there are not, are those of requests.
    onCall: fact => {
      if (fact.kind === 'call') onCall?.(fact);
    },
  });
}

function remoteOptions(config: Config, access: EngineAccess) {
  const template = config.tokenizerEndpointTemplate;
  return {
    timeoutMs: config.tokenizerTimeoutMs,
    maxConnectionsPerPod: config.tokenizerConnections,
    breaker: BREAKER,
    access,
    ...(template !== undefined && { urlOf: (pod: Pod) => template.replace('%s', hostOf(pod.ip)) }),
  };
}

/** No engine may be asked, and tokens of another kind would match none of the engines' blocks. */
const NO_TOKENS: Tokenizer = {
  tokenize: () =>
    Promise.reject(new TokenizerError('no_form', 'no engine is asked for tokens (WARMROUTE_TOKENIZER)')),
  close: () => Promise.resolve(),
};

/** More are not looked at. */
function maxLocalTokens(config: Config, kind: 'character' | 'tiktoken'): number {
  return MAX_HISTORY_BLOCKS_PER_PROMPT * blockSizes(config)[kind];
}

/** Tokens per block, where no event has shown an engine's own. */
export function blockSizes({ mode, blockSizeBytes }: Config): Record<TokenSpace, number> {
  const tokens = Math.max(1, Math.floor(blockSizeBytes / BYTES_PER_TOKEN));
  return {
    engine: usesEvents(mode) ? ENGINE_BLOCK_SIZE_TOKENS : tokens,
    tiktoken: tokens,
    character: blockSizeBytes,
  };
}

/** Blocks of a prompt that are looked up and remembered. */
export function maxBlocksPerPrompt({ mode }: Config): number {
  return usesEvents(mode) ? Number.POSITIVE_INFINITY : MAX_HISTORY_BLOCKS_PER_PROMPT;
}
