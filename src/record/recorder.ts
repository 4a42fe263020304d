import type { RoutedDecision, Tokens } from '../domain.ts';
import { pathClassOf } from '../prompt/paths.ts';
import type { PrefixFound, Route, RouteOutcome, SampledAnswer } from '../routing/route.ts';
import type { Clock } from '../time.ts';
import { recordedBlocks } from './recorded-blocks.ts';
import type { RecordedExchange } from './recorded-exchange.ts';

export interface RecorderOptions {
  readonly blockTokens: number;
  readonly now: Clock;
  /** Takes each exchange when it is decided, in their order; what becomes of it is written into it until `tookMs` is there. */
  readonly onDecided: (exchange: RecordedExchange) => void;
}

export type Recorder = ReturnType<typeof createRecorder>;

/** What is told of a decision by others than who asked for it. */
type Noted =
  /** Before its exchange is there. */
  | { readonly kind: 'looked_up'; readonly blocks: Uint32Array | undefined }
  | { readonly kind: 'under_way'; readonly exchange: RecordedExchange };

/** Takes down exchanges, wrapped around the read path. */
export function createRecorder({ blockTokens, now, onDecided }: RecorderOptions) {
  const noted = new WeakMap<RoutedDecision, Noted>();

  function recorded(
    exchange: RecordedExchange,
    decision: RoutedDecision,
    outcome: RouteOutcome,
    startedAt: number,
  ): RouteOutcome {
    return {
      ...outcome,
      answered(answer, encoding) {
        const server = outcome.answered(answer, encoding);
        const answeredMs = now() - startedAt;
        exchange.answer = { status: answer.status || 0, servedBy: server?.name, answeredMs };
        return server;
      },
      release() {
        outcome.release();
        if (exchange.tookMs !== undefined) return;
        // The decision is kept for longer, to be explained.
        noted.delete(decision);
        exchange.tookMs = now() - startedAt;
      },
    };
  }

  return {
    /** The prompt of a decision was looked up. Hashes its blocks, as what was found is valid now alone. */
    lookedUp(decision: RoutedDecision, { ids }: Tokens, found: PrefixFound): void {
      noted.set(decision, { kind: 'looked_up', blocks: recordedBlocks(ids, found.finest(), blockTokens) });
    },

    /** The answer to a request was followed to its end. */
    sampled(sample: SampledAnswer): void {
      const notes = noted.get(sample.decision);
      if (notes?.kind === 'under_way') notes.exchange.sample = sample;
    },

    route(route: Route): Route {
      return async (request, signal) => {
        const startedAt = now();
        const outcome = await route(request, signal);
        const { decision } = outcome;
        const decidedAt = now();
        const notes = decision.kind === 'routed' ? noted.get(decision) : undefined;
        const blocks = notes?.kind === 'looked_up' ? notes.blocks : undefined;
        const exchange: RecordedExchange = {
          ...{ decidedAt, decisionMs: decidedAt - startedAt, path: pathClassOf(request.path) },
          ...{ decision, steering: request.steering, blocks, answer: undefined, sample: undefined },
          // Nothing more becomes of the others.
          tookMs: decision.kind === 'routed' ? undefined : decidedAt - startedAt,
        };
        onDecided(exchange);
        if (decision.kind !== 'routed') return outcome;
        noted.set(decision, { kind: 'under_way', exchange });
        return recorded(exchange, decision, outcome, startedAt);
      };
    },
  };
}
