/** How prompts get their tokens. */
import type { WithoutTokens } from '../../domain.ts';
import type { TokenizeFact } from '../../prompt/engine/remote-tokenizer.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { CALL_SECONDS, MODEL, POD } from './labels.ts';

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
  tokenizerCircuits: gauge('warmroute_tokenizer_circuit_open', {
    unit: 'flag',
    labels: { pod: POD },
    help: '1 while a pod’s tokenizer is not asked, as it failed',
    bad: '1: other pods tokenize for it; where all are open, prompts go by their history or by load.',
  }),
};
