/** How prompts get their tokens. */
import type { WithoutTokens } from '../../domain.ts';
import type { TokenizeFact } from '../../prompt/engine/remote-tokenizer.ts';
import type { NotComputed } from '../../tokenizers/exact-tokenizer.ts';
import type { Comparison } from '../../tokenizers/parity/comparison.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { CALL_SECONDS, ENDPOINT, MODEL, POD, STAGE_SECONDS } from './labels.ts';

type Call = Extract<TokenizeFact, { readonly kind: 'call' }>;
type Kind = Exclude<TokenizeFact['kind'], 'call' | 'breaker'> | Call['outcome'];

const ROUTE = allOf<Call['route']>()('render', 'tokenize');

export const TOKEN_METRICS = {
  withoutTokens: counter('warmroute_prompts_without_tokens_total', {
    unit: 'requests',
    labels: {
      model: MODEL,
      why: allOf<WithoutTokens>()(
        ...(['private_key', 'no_token_form', 'prompt_refused', 'tokenizer_failed', 'deadline'] as const),
      ),
    },
    help: 'Prompts that were asked for their tokens and have none, by model and why; routed by their history, else by load',
    bad: '`tokenizer_failed`, `deadline`: tokenizers fail or are late. `no_token_form`: the engines cannot tokenize such requests (vLLM: `--enable-scale-out`).',
  }),
  tokenizeCalls: counter('warmroute_tokenize_calls_total', {
    unit: 'requests',
    labels: {
      kind: allOf<Kind>()(
        ...(['hit', 'shared', 'retry', 'hedge', 'no_form', 'tokens', 'absent', 'unauthorized'] as const),
        ...(['outrun', 'unavailable', 'refused', 'timeout', 'aborted'] as const),
      ),
      route: ROUTE,
    },
    help: 'What the remote tokenizer did, by kind; with a route, a call to an engine by what it came to',
    bad: '`unavailable`, `timeout`: engines do not tokenize. `unauthorized`: `WARMROUTE_ENGINE_API_KEY_FILE` is missing. Much `hedge`: some are slow.',
  }),
  tokenizeCallSeconds: histogram('warmroute_tokenize_call_seconds', {
    unit: 'seconds',
    labels: { route: ROUTE },
    help: 'Time of the calls to engines that were to give tokens, whatever they came to',
    bad: 'Tens of milliseconds for most: the engines’ API servers are busy; more `--api-server-count`, or more pods.',
    buckets: CALL_SECONDS,
  }),
  exactTokens: counter('warmroute_exact_tokens_total', {
    unit: 'requests',
    labels: {
      how: allOf<'computed' | NotComputed>()(
        ...(['computed', 'unloaded', 'unproven', 'doubted', 'media', 'form', 'no_template'] as const),
        ...(['template', 'failed'] as const),
      ),
    },
    help: 'Prompts that were to have their tokens computed in process, by how that went: `computed`, or why an engine was asked (docs/tokenizing.md)',
    bad: '`doubted`: tokens computed here differed from the engine’s. `failed`: a tokenizer ended. `unloaded`: files are missing or broken. The log says which.',
  }),
  exactTokensSeconds: histogram('warmroute_exact_tokens_seconds', {
    unit: 'seconds',
    help: 'Time from a parsed body to its token ids, computed in process',
    bad: 'Tens of milliseconds for most: prompts are new each time, or `WARMROUTE_TOKENIZER_SEGMENTS_BYTES` is too small for the conversations that there are.',
    buckets: STAGE_SECONDS,
  }),
  promptCharacters: counter('warmroute_prompt_characters_total', {
    unit: 'characters',
    labels: { from: allOf<'segments' | 'tokenizer'>()('segments', 'tokenizer') },
    help: 'Characters of prompts whose tokens were computed in process: kept from earlier prompts (`segments`), or tokenized',
    bad: 'Little from `segments` where clients have conversations: raise `WARMROUTE_TOKENIZER_SEGMENTS_BYTES`.',
  }),
  tokenComparisons: counter('warmroute_token_comparisons_total', {
    unit: 'requests',
    labels: {
      model: MODEL,
      endpoint: ENDPOINT,
      outcome: allOf<Comparison['kind']>()('equal', 'different', 'unanswered'),
    },
    help: 'Prompts of which the tokens computed in process were compared with an engine’s, by outcome',
    bad: '`different`: the tokenizer files or the chat template are not the engine’s.',
  }),
  tokensTrusted: gauge('warmroute_tokens_trusted', {
    unit: 'flag',
    labels: { model: MODEL, endpoint: ENDPOINT },
    help: '1 while tokens computed in process are used for this model and endpoint; 0 while the engine is asked',
    bad: '0 for long: they differ from the engine’s; see the log and `/debug/tokenizers`.',
  }),
  segmentBytes: gauge('warmroute_segment_bytes', {
    unit: 'bytes',
    help: 'Texts, token ids and block hashes that are kept of tokenized prompts',
    bad: 'At `WARMROUTE_TOKENIZER_SEGMENTS_BYTES`, with little of `warmroute_prompt_characters_total` from `segments`: it is too small.',
  }),
  tokenizerCircuits: gauge('warmroute_tokenizer_circuit_open', {
    unit: 'flag',
    labels: { pod: POD },
    help: '1 while a pod’s tokenizer is not asked, as it failed',
    bad: '1: other pods tokenize for it; where all are open, prompts go by their history or by load.',
  }),
};
