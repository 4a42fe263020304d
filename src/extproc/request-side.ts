/**
 * The request half of one exchange: headers → body → trailers, as a state machine without I/O.
 *
 * Envoy shows the headers, then the body; the decision needs the body. Two ways of carrying it back follow from what Envoy
 * waits for (`Modes.requestHeaders`):
 *
 *   answered_first  headers ⇄ reply at once    body ⇄ reply with the decision           (BUFFERED)
 *   held            headers, body … , end      ⇄ reply to the headers with the decision,
 *                                                then one reply per body message owed    (STREAMED without waiting)
 *                                                or the whole body echoed                (FULL_DUPLEX_STREAMED)
 *
 * In the other modes the body never comes, or comes when the upstream is already chosen. Then Envoy is asked to buffer it
 * (`mode_override`), and where it does not allow that, the request goes on without a decision.
 */
import type { ClientError, Decision } from '../domain.ts';
import type { Answer, RouteRequest, Visibility } from '../routing/route.ts';
import * as name from './headers.ts';
import type { Modes, RequestMessage } from './incoming.ts';
import * as reply from './replies.ts';
import type { WireModeOverride, WireResponse } from './wire.ts';

export type Action =
  | { readonly kind: 'send'; readonly reply: WireResponse }
  /** The pod, or another one, has begun to answer the request that was routed. */
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** Decide, then tell the exchange (`decided`). */
  | { readonly kind: 'route'; readonly request: RouteRequest }
  /** Envoy holds the headers and waits for us while the body trickles in: tell the exchange when it took too long (`late`). */
  | { readonly kind: 'start_body_deadline' };

/** What was settled here without asking for a decision. */
export type DoorFact =
  | { readonly kind: 'rejected'; readonly error: ClientError }
  /** The request goes on without a pick: Envoy's own load balancing serves it. */
  | { readonly kind: 'undecided'; readonly why: 'late_body' | 'body_out_of_reach' };

export interface ExchangeOptions {
  /** Larger bodies are answered 413. */
  readonly maxBodyBytes: number;
  /** Whether a request may ask for the `x-warmroute-*` response headers. */
  readonly debugHeaders: 'allowed' | 'off';
  /** Paths, without query, whose requests we route. */
  readonly isRouted: (path: string) => boolean;
  /** Whether to ask for the response of the request that is coming in, where Envoy does not show it anyway. */
  readonly watchNext: () => Visibility;
  /** For requests that come without an `x-request-id`. */
  readonly newRequestId: () => string;
}

type Owed = 'request_headers' | 'request_trailers' | Extract<RequestMessage, { kind: 'request_body' }>;

type State =
  | { readonly at: 'start' }
  /** Gathering the body. `owed`: messages without a reply yet, in order. */
  | { readonly at: 'collecting'; readonly request: Ask; readonly owed: Owed[]; bytes: number }
  | { readonly at: 'deciding'; readonly owed: Owed[] }
  /** Nothing more to decide: every message gets a neutral reply, or its echo. */
  | { readonly at: 'passing' }
  /** Answered by us: nothing may be sent any more. */
  | { readonly at: 'rejected' };

/** What the headers said about a request that we route. */
type Ask = Omit<RouteRequest, 'body'>;

const NO_FACTS: readonly DoorFact[] = [];

export class RequestSide {
  readonly #modes: Modes;
  readonly #options: ExchangeOptions;
  #state: State = { at: 'start' };
  /** Set by the headers; the response side echoes it. */
  requestId = '';
  readonly #facts: DoorFact[] = [];
  /** The client asked for the debug headers, and may. */
  wantsDebug = false;
  #responseStarted = false;

  constructor(modes: Modes, options: ExchangeOptions) {
    this.#modes = modes;
    this.#options = options;
  }

  /** What has happened since this was last called. */
  takeFacts(): readonly DoorFact[] {
    return this.#facts.length === 0 ? NO_FACTS : this.#facts.splice(0);
  }

  get rejected(): boolean {
    return this.#state.at === 'rejected';
  }

  /** The upstream, or Envoy itself, has begun to answer: an answer of ours would now reset the client's stream. */
  responseStarted(): void {
    this.#responseStarted = true;
  }

  receive(message: RequestMessage): Action[] {
    switch (this.#state.at) {
      case 'start':
        return message.kind === 'request_headers' ? this.#open(message) : this.#pass(message);
      case 'collecting':
        return this.#collect(this.#state, message);
      case 'deciding':
        this.#state.owed.push(owedFor(message));
        return [];
      case 'passing':
        return this.#pass(message);
      case 'rejected':
        return [];
    }
  }

  decided(decision: Decision): Action[] {
    if (this.#state.at !== 'deciding') return [];
    if (decision.kind === 'rejected') return this.#reject(decision.error, this.#state.owed);
    return this.#settle(this.#state.owed, reply.mutationOf(decision, this.requestId));
  }

  /** There will be no decision in time, or none at all: what is owed is answered, and the request goes on without one. */
  late(): Action[] {
    const state = this.#state;
    return state.at === 'collecting' || state.at === 'deciding' ? this.#settle(state.owed, undefined) : [];
  }

  #open({ headers, subset, endOfStream }: Extract<RequestMessage, { kind: 'request_headers' }>): Action[] {
    this.requestId = name.headerValue(headers.get(name.X_REQUEST_ID) ?? '') || this.#options.newRequestId();
    this.wantsDebug = this.#options.debugHeaders === 'allowed' && headers.get(name.DEBUG) === '1';
    const path = (headers.get(':path') ?? '').split('?', 1)[0]!;
    if (headers.get(':method') !== 'POST' || !this.#options.isRouted(path)) {
      this.#state = { at: 'passing' };
      return [send(reply.requestHeaders(undefined, this.#skipTheRest()))];
    }
    if (Number(headers.get('content-length')) > this.#options.maxBodyBytes)
      return this.#refuse(this.#tooLarge(), []);
    if (endOfStream)
      return this.#refuse({ kind: 'malformed_body', message: 'the request has no body', param: null }, []);
    const request: Ask = {
      path,
      contentType: headers.get('content-type'),
      strategy: headers.get(name.ROUTING_STRATEGY),
      labels: headers.get(name.EXTERNAL_FILTER),
      subset,
      response: this.#responseOf(),
      requestId: this.requestId,
      trace: traceOf(headers),
    };
    if (this.#modes.requestHeaders === 'held') {
      this.#state = { at: 'collecting', request, owed: ['request_headers'], bytes: 0 };
      return this.#modes.request === 'STREAMED' ? [{ kind: 'start_body_deadline' }] : [];
    }
    this.#state = { at: 'collecting', request, owed: [], bytes: 0 };
    return [send(reply.requestHeaders(undefined, this.#bufferIfAsked(request.response)))];
  }

  #collect(state: Extract<State, { at: 'collecting' }>, message: RequestMessage): Action[] {
    const { request, owed } = state;
    owed.push(owedFor(message));
    if (message.kind === 'request_body') state.bytes += message.body.length;
    if (state.bytes > this.#options.maxBodyBytes) return this.#refuse(this.#tooLarge(), owed);
    if (this.#isWhole(message)) {
      this.#state = { at: 'deciding', owed };
      return [{ kind: 'route', request: { ...request, body: bodyOf(owed) } }];
    }
    if (this.#modes.requestHeaders === 'held') return [];
    this.#facts.push({ kind: 'undecided', why: 'body_out_of_reach' });
    return this.#settle(owed, undefined);
  }

  /** Whether this message completes the body. In BUFFERED mode it is the only one, and `false` announces trailers. */
  #isWhole(message: RequestMessage): boolean {
    if (message.kind === 'request_headers') return false;
    if (message.kind === 'request_trailers') return this.#modes.requestHeaders === 'held';
    return message.endOfStream || this.#modes.request === 'BUFFERED';
  }

  /** Replies to all that is owed; the first reply that may change headers carries the decision. */
  #settle(owed: readonly Owed[], mutation: reply.Mutation | undefined): Action[] {
    this.#state = { at: 'passing' };
    const replies: WireResponse[] = [];
    let carried = mutation;
    for (const message of this.#echoes ? joined(owed) : owed) {
      if (message === 'request_headers') {
        replies.push(reply.requestHeaders(carried));
        carried = undefined;
      } else if (message === 'request_trailers') {
        replies.push(reply.neutral('request_trailers'));
      } else if (this.#echoes) {
        replies.push(...reply.streamedBody('request_body', message.body, endOf(message)));
      } else {
        replies.push(carried ? reply.requestBody(carried) : reply.neutral('request_body'));
        carried = undefined;
      }
    }
    return replies.map(send);
  }

  #pass(message: RequestMessage): Action[] {
    if (message.kind === 'request_body' && this.#echoes) {
      return reply.streamedBody('request_body', message.body, endOf(message)).map(send);
    }
    return [
      send(
        message.kind === 'request_headers' ? reply.requestHeaders(undefined) : reply.neutral(message.kind),
      ),
    ];
  }

  /** Answers without asking for a decision. */
  #refuse(error: ClientError, owed: readonly Owed[]): Action[] {
    this.#facts.push({ kind: 'rejected', error });
    return this.#reject(error, owed);
  }

  #reject(error: ClientError, owed: readonly Owed[]): Action[] {
    if (this.#responseStarted) return this.#settle(owed, undefined);
    this.#state = { at: 'rejected' };
    return [send(reply.immediate(error))];
  }

  get #echoes(): boolean {
    return this.#modes.request === 'FULL_DUPLEX_STREAMED';
  }

  #tooLarge(): ClientError {
    return { kind: 'body_too_large', limitBytes: this.#options.maxBodyBytes };
  }

  /** Spares Envoy the buffering of a body that nobody reads. Without `allow_mode_override` Envoy ignores it. */
  #skipTheRest(): WireModeOverride | undefined {
    if (this.#modes.requestHeaders === 'held' || this.#modes.request === 'NONE') return undefined;
    return {
      request_body_mode: 'NONE',
      response_body_mode: 'NONE',
      response_header_mode: 'SKIP',
      request_trailer_mode: 'SKIP',
      response_trailer_mode: 'SKIP',
    };
  }

  /** A response whose body passes through us is shown with its headers, too. */
  #responseOf(): Visibility {
    if (this.#modes.response !== 'NONE' || this.wantsDebug) return 'watched';
    // Envoy drops an override that its list does not have: nothing is lost where it only asks for the response's headers.
    return this.#modes.request === 'BUFFERED' ? this.#options.watchNext() : 'unwatched';
  }

  #bufferIfAsked(response: Visibility): WireModeOverride | undefined {
    if (this.wantsDebug || (response === 'watched' && this.#modes.response === 'NONE')) {
      return { request_body_mode: 'BUFFERED', response_body_mode: 'NONE', response_header_mode: 'SEND' };
    }
    if (this.#modes.request === 'STREAMED' || this.#modes.request === 'NONE') {
      return { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' };
    }
    return undefined;
  }
}

function send(wire: WireResponse): Action {
  return { kind: 'send', reply: wire };
}

function owedFor(message: RequestMessage): Owed {
  return message.kind === 'request_body' ? message : message.kind;
}

function endOf({ endOfStream }: { readonly endOfStream: boolean }) {
  return endOfStream ? 'end_of_stream' : 'more_follows';
}

function bodyOf(owed: readonly Owed[]): Buffer {
  const [only] = owed;
  if (owed.length === 1 && typeof only === 'object') return only.body;
  const chunks = owed.flatMap(message => (typeof message === 'string' ? [] : [message.body]));
  return Buffer.concat(chunks);
}

/** The body messages as one, so that its echo goes out in as few chunks as the limit allows. */
function joined(owed: readonly Owed[]): Owed[] {
  const bodies = owed.filter(message => typeof message !== 'string');
  if (bodies.length < 2) return [...owed];
  const whole: Owed = { kind: 'request_body', body: bodyOf(owed), endOfStream: bodies.at(-1)!.endOfStream };
  return owed.flatMap((message): Owed[] =>
    typeof message === 'string' ? [message] : message === bodies[0] ? [whole] : [],
  );
}

function traceOf(headers: name.Headers): Record<string, string> {
  const trace: Record<string, string> = {};
  for (const key of ['traceparent', 'tracestate']) {
    const value = headers.get(key);
    if (value !== undefined) trace[key] = value;
  }
  return trace;
}
