/** What asking engines for tokens comes to, as metrics, log lines, and a state per pod. */
import type { TokenizeFact } from '../prompt/engine/remote-tokenizer.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle, type LogThrottle } from './log/log-throttle.ts';

type Call = Extract<TokenizeFact, { readonly kind: 'call' }>;

/** How a pod's tokenizer is, for an operator. */
export interface TokenizerState {
  /** `open`: it failed, and is not asked until a probe succeeds. */
  readonly circuit: 'open' | 'closed';
  /** What was asked last, and what came of it. */
  readonly lastCall: Pick<Call, 'route' | 'outcome'> | undefined;
  /** Paths of requests that it cannot tokenize: these are routed by their history. */
  readonly noFormFor: readonly string[];
}

export interface TokenizerReport {
  hear(fact: TokenizeFact): void;
  /** undefined: it was never asked. */
  stateOf(pod: string): TokenizerState | undefined;
  /** From here on facts of this pod count. */
  joined(pod: string): void;
  /** Nothing is left of this pod. */
  left(pod: string): void;
}

interface Known {
  circuit: TokenizerState['circuit'];
  lastCall: TokenizerState['lastCall'];
  /** As many as there are paths with prompts. */
  readonly noFormFor: Set<string>;
  isAsked: boolean;
  /** For what is said once of a pod. */
  readonly once: LogThrottle;
}

export function reportTokenizer(
  instruments: Pick<Instruments, 'tokenizeCalls' | 'tokenizeCallSeconds' | 'tokenizerCircuits'>,
  log: Logger,
): TokenizerReport {
  const pods = new Map<string, Known>();
  const throttle = createLogThrottle(log);

  instruments.tokenizerCircuits.onScrape(set => {
    for (const [pod, { circuit, isAsked }] of pods) if (isAsked) set(Number(circuit === 'open'), { pod });
  });

  function called({ route, outcome, pod }: Call, known: Known): void {
    known.isAsked = true;
    // Who was cancelled has not shown anything.
    if (outcome !== 'outrun' && outcome !== 'aborted') known.lastCall = { route, outcome };
    if (outcome === 'tokens') known.once.over('unauthorized');
    if (outcome === 'unauthorized')
      known.once.warn(
        outcome,
        { pod: pod.name, route },
        'this engine wants an API key to tokenize: give it in WARMROUTE_ENGINE_API_KEY_FILE, or prompts that have no other form are routed by their history',
      );
  }

  return {
    hear(fact) {
      switch (fact.kind) {
        case 'hit':
        case 'shared':
        case 'retry':
        case 'hedge':
          instruments.tokenizeCalls.add(1, { kind: fact.kind, route: undefined });
          break;
        case 'call': {
          instruments.tokenizeCalls.add(1, { kind: fact.outcome, route: fact.route });
          instruments.tokenizeCallSeconds.record(fact.durationMs / 1_000, { route: fact.route });
          const known = pods.get(fact.pod.name);
          if (known !== undefined) called(fact, known);
          break;
        }
        case 'no_form': {
          instruments.tokenizeCalls.add(1, { kind: fact.kind, route: undefined });
          const known = pods.get(fact.pod.name);
          if (known === undefined) break;
          known.noFormFor.add(fact.path);
          known.once.warn(
            fact.path,
            { pod: fact.pod.name, path: fact.path },
            'this pod cannot tokenize such requests, so they are routed by their history: have it render (vLLM: --enable-scale-out)',
          );
          break;
        }
        case 'breaker': {
          const known = pods.get(fact.pod.name);
          if (known !== undefined) known.circuit = fact.state;
          throttle[fact.state === 'open' ? 'warn' : 'info'](
            `${fact.pod.name} ${fact.state}`,
            { pod: fact.pod.name, state: fact.state },
            'circuit of this pod’s tokenizer',
          );
        }
      }
    },

    stateOf(pod) {
      const known = pods.get(pod);
      if (!known?.isAsked) return undefined;
      const { circuit, lastCall, noFormFor } = known;
      return { circuit, lastCall, noFormFor: [...noFormFor] };
    },

    joined(pod) {
      pods.set(pod, {
        ...{ circuit: 'closed', lastCall: undefined, noFormFor: new Set<string>(), isAsked: false },
        once: createLogThrottle(log, { everyMs: Number.POSITIVE_INFINITY }),
      });
    },

    left(pod) {
      pods.delete(pod);
    },
  };
}
