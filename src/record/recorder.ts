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

/** What was noted of a decision before its exchange is there, or after. */
interface Noted {
  readonly blocks: Uint32Array | undefined;
  sample: SampledAnswer | undefined;
}

/** Takes down exchanges, wrapped around the read path. */
export function createRecorder({ blockTokens, now, onDecided }: RecorderOptions) {
  const noted = new WeakMap<RoutedDecision, Noted>();

  function recorded(
    exchange: RecordedExchange,
    outcome: RouteOutcome,
    startedAt: number,
    notes: Noted,
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
        exchange.sample = notes.sample;
        exchange.tookMs = now() - startedAt;
      },
    };
  }

  return {
    /** The prompt of a decision was looked up. Hashes its blocks, as what was found is valid now alone. */
    lookedUp(decision: RoutedDecision, { ids }: Tokens, found: PrefixFound): void {
      noted.set(decision, { blocks: recordedBlocks(ids, found.finest(), blockTokens), sample: undefined });
    },

    /** The answer to a request was followed to its end. */
    sampled(sample: SampledAnswer): void {
      const notes = noted.get(sample.decision);
      if (notes !== undefined) notes.sample = sample;
    },

    route(route: Route): Route {
      return async (request, signal) => {
        const startedAt = now();
        const outcome = await route(request, signal);
        const { decision } = outcome;
        const decidedAt = now();
        const isRouted = decision.kind === 'routed';
        const notes = (isRouted && noted.get(decision)) || { blocks: undefined, sample: undefined };
        if (isRouted) noted.set(decision, notes);
        const exchange: RecordedExchange = {
          ...{ decidedAt, decisionMs: decidedAt - startedAt, path: pathClassOf(request.path) },
          ...{ decision, blocks: notes.blocks, answer: undefined, sample: undefined },
          // Nothing more becomes of the others.
          tookMs: isRouted ? undefined : decidedAt - startedAt,
        };
        onDecided(exchange);
        return isRouted ? recorded(exchange, outcome, startedAt, notes) : outcome;
      };
    },
  };
}
