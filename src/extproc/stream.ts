import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Route, RouteOutcome } from '../routing/route.ts';
import type { BodyMemory } from './body/body-memory.ts';
import { type Action, Exchange, type ExchangeOptions, type HeldMode, type SettledFact } from './exchange.ts';
import { readMessage, readModes, type UnsaidMode } from './incoming.ts';
import type { WireRequest, WireResponse } from './wire.ts';

/** What happened at Envoy's door. Times are milliseconds. */
export type DoorFact =
  | SettledFact
  /** A decision is asked for, so long after the first message of the stream. */
  | { readonly kind: 'received'; readonly tookMs: number }
  /** The replies that the decision led to are made and written. */
  | { readonly kind: 'replied'; readonly tookMs: number }
  /** The stream has ended before the request had its reply. */
  | { readonly kind: 'abandoned'; readonly during: 'body' | 'decision' };

export type ProcessCall = ServerDuplexStream<WireRequest, WireResponse>;

export interface StreamOptions {
  /** How bodies come where the proxy does not say so. */
  readonly unsaidMode: UnsaidMode;
  readonly exchange: ExchangeOptions;
  readonly route: Route;
  /** How long Envoy may hold a request's headers while its body comes in: STREAMED, below its `message_timeout`. */
  readonly bodyDeadlineMs: Readonly<Record<HeldMode, number>>;
  /** The memory that the bodies of all streams share. */
  readonly bodyMemory: BodyMemory;
  /** Envoy opens a stream when it has something to say. One on which nothing is said for so long is reset. */
  readonly firstMessageMs: number;
  /** For metrics. */
  readonly onFact: (fact: DoorFact) => void;
  /** Something that should never happen, and did: the request went on without us. */
  readonly onUnexpected: (error: unknown) => void;
}

/** Made once: an abort without a reason makes one with a stack each time. */
const CLIENT_IS_GONE = new Error('the client is gone');

/** One open ext_proc stream, as the server sees it when it shuts down. */
export interface OpenStream {
  /** Settles when no decision is under way. */
  idle(): Promise<void>;
  /** A body passes through us and has not ended: ending the stream would cut it. */
  readonly carriesBody: boolean;
  /** Settles when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>;
  /** Ends the stream with OK, after which Envoy goes on without us and touches nothing. */
  end(): void;
}

/**
 * Carries one exchange over one gRPC stream. The stream is Envoy's to end: we end it when Envoy has half-closed, and its
 * end, whichever way it comes, is the end of the request. `onClosed` is called exactly once.
 */
export function serveStream(call: ProcessCall, options: StreamOptions, onClosed: () => void): OpenStream {
  /** Aborts the decision under way; there is one at most. */
  const cancel = new AbortController();
  let isClosed = false;
  let exchange: Exchange | undefined;
  let outcome: RouteOutcome | undefined;
  let deciding: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();
  let bodyDeadline: NodeJS.Timeout | undefined;
  let startedAt = 0;
  const lease = options.bodyMemory.lease(guarded(() => advance(exchange!.cutShort('buffers_full'))));
  const silence = setTimeout(() => {
    close();
    resetStream(call);
  }, options.firstMessageMs);

  function guarded<Args extends unknown[]>(step: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      try {
        step(...args);
      } catch (error) {
        options.onUnexpected(error);
        leave();
      }
    };
  }

  const perform = (actions: readonly Action[]): void => {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          // What is echoed must not pile up for a peer that sends and does not read.
          if (!isClosed && !call.write(action.reply)) call.pause();
          break;
        case 'answered':
          outcome?.answered(action.answer, action.encoding);
          break;
        case 'answer_body':
          if (outcome?.readAnswer?.(action.part) !== 'more') exchange?.answerRead();
          break;
        case 'route':
          clearTimeout(bodyDeadline);
          options.onFact({ kind: 'received', tookMs: performance.now() - startedAt });
          deciding = options
            .route({ ...action.request, trace: traceOf(call) ?? action.request.trace }, cancel.signal)
            .then(guarded(decided), guarded(failed));
          break;
        case 'start_body_deadline':
          bodyDeadline = setTimeout(
            guarded(() => advance(exchange!.cutShort('late_body'))),
            options.bodyDeadlineMs[action.mode],
          );
      }
    }
  };

  function decided(decided: RouteOutcome): void {
    outcome = decided;
    if (isClosed) {
      outcome.release();
      return;
    }
    const decidedAt = performance.now();
    advance(exchange!.decided(outcome.decision, outcome.readAnswer ? 'wanted' : 'unwanted'));
    options.onFact({ kind: 'replied', tookMs: performance.now() - decidedAt });
  }

  /** Does what the exchange says, and what follows from where it is now. */
  function advance(actions: readonly Action[]): void {
    perform(actions);
    for (const fact of exchange?.takeFacts() ?? []) options.onFact(fact);
    // An echo is in memory until it is written.
    if (exchange?.holdsBody === false && !call.writableNeedDrain) lease.release();
  }

  function failed(error: unknown): never {
    throw error;
  }

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    if (exchange?.holdsBody)
      options.onFact({ kind: 'abandoned', during: deciding === undefined ? 'body' : 'decision' });
    if (deciding !== undefined && outcome === undefined) cancel.abort(CLIENT_IS_GONE);
    clearTimeout(bodyDeadline);
    clearTimeout(silence);
    lease.release();
    outcome?.release();
    // The call outlives its stream by a garbage collection or two, and what it leads to would be moved each time.
    exchange = outcome = deciding = undefined;
    onClosed();
    closed.resolve();
  }

  /**
   * Ends the stream before Envoy does. What Envoy is owed goes out first: it keeps no copy of a FULL_DUPLEX_STREAMED body,
   * and headers that it still holds would go on with whatever the client forged.
   */
  function leave(): void {
    try {
      if (exchange) perform(exchange.late());
    } catch (error) {
      options.onUnexpected(error);
    }
    close();
    call.end();
  }

  call.on(
    'data',
    guarded((wire: WireRequest) => {
      if (isClosed) return;
      clearTimeout(silence);
      if (exchange === undefined) {
        startedAt = performance.now();
        exchange = new Exchange(readModes(wire, options.unsaidMode), options.exchange, lease);
      }
      advance(exchange.receive(readMessage(wire)));
    }),
  );
  call.on(
    'drain',
    guarded(() => {
      call.resume();
      advance([]);
    }),
  );
  call.on('end', () => {
    close();
    call.end();
  });
  for (const event of ['cancelled', 'close', 'error']) call.on(event, close);

  return {
    idle: () => deciding ?? Promise.resolve(),
    get carriesBody() {
      return exchange?.carriesBody ?? false;
    },
    closed: closed.promise,
    end: leave,
  };
}

/**
 * grpc-js has no public way to reset a stream. Ending it would leave the other half open, and its connection busy, for as long as
 * the peer likes.
 */
function resetStream(call: ProcessCall): void {
  (call as { readonly call?: { readonly stream?: ServerHttp2Stream } }).call?.stream?.close(
    constants.NGHTTP2_CANCEL,
  );
}

/** Envoy's own span, when its tracer is on: the nearer parent than what the client sent. */
function traceOf(call: ProcessCall): Record<string, string> | undefined {
  const traceparent = call.metadata.get('traceparent')[0];
  if (traceparent === undefined) return undefined;
  const tracestate = call.metadata.get('tracestate')[0];
  return {
    traceparent: String(traceparent),
    ...(tracestate !== undefined && { tracestate: String(tracestate) }),
  };
}
