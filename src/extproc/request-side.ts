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
import type {
  ClientError,
  Decision,
  Endpoint,
  ErrorShape,
  ModelEntry,
  PassedDecision,
  PathRule,
  Pod,
  RoutedDecision,
} from '../domain.ts';
import type {
  Answer,
  AnswerEncoding,
  BodyExtent,
  CutShort,
  RouteRequest,
  Sample,
  Server,
  Steering,
  SteeringOf,
  Visibility,
} from '../routing/route.ts';
import type { BodyLease } from './body/body-memory.ts';
import { GatheredBody } from './body/gathered-body.ts';
import * as name from './headers.ts';
import type { Modes, RequestMessage } from './incoming.ts';
import { modelAnswer, modelListAnswer } from './model-list.ts';
import * as reply from './replies.ts';
import type { WireModeOverride, WireResponse } from './wire.ts';

export type Action =
  | { readonly kind: 'send'; readonly reply: WireResponse }
  /** The pod, or another one, has begun to answer the request that was routed. */
  | { readonly kind: 'answered'; readonly answer: Answer; readonly encoding: AnswerEncoding }
  /** A part of the body of the answer: tell the exchange when there was enough of it (`answerRead`). */
  | { readonly kind: 'answer_body'; readonly part: Buffer }
  /** Decide, then tell the exchange (`decided`). */
  | { readonly kind: 'route'; readonly request: RouteRequest }
  /** Envoy holds the headers and waits for us while the body trickles in: tell the exchange when it took too long (`cutShort`). */
  | { readonly kind: 'start_body_deadline'; readonly mode: HeldMode };

/** Modes in which the body comes while Envoy holds the headers. Only in the first of them it has a time-out of its own. */
export type HeldMode = 'STREAMED' | 'FULL_DUPLEX_STREAMED';

/** What was settled here without asking for a decision. */
export type SettledFact =
  /** With the error, or, where it is not `steered`, only if it were. */
  | { readonly kind: 'rejected'; readonly error: ClientError; readonly steering: Steering }
  | { readonly kind: 'answered'; readonly what: 'models' }
  /** The request goes on without a pick: Envoy's own load balancing serves it. */
  | { readonly kind: 'undecided'; readonly why: 'late_body' | 'buffers_full' | 'body_out_of_reach' };

export interface ExchangeOptions extends reply.Disclosure {
  /** Larger bodies are answered 413. */
  readonly maxBodyBytes: number;
  /** What to do with requests to a path. */
  readonly ruleOf: (path: string) => PathRule;
  /** How many pods the endpoint picker's header and metadata name at most, the pick included. */
  readonly destinationEndpoints: number;
  /** The header by which a client says how much its request matters, in lower case. */
  readonly priorityHeader: string;
  /** Who has answered in the place of the pick, or that pod itself; `servedBy` as the gateway says. */
  readonly serverOf: (picked: Pod, servedBy: Endpoint | undefined) => Server;
  /** What clients may ask for, in order: the answer to who asks for the list, or for something else. */
  readonly models: () => readonly ModelEntry[];
  /** Whether to ask for the response of the request that is coming in, where Envoy does not show it anyway. */
  readonly watchNext: () => Visibility;
  /** Whether the answer to the request that is coming in should be followed to its end: drawn at random, whatever the request is. */
  readonly sampleNext: () => Sample;
  /** Whether requests with this `routing-strategy` header are answered with where their session is. */
  readonly keepsSession: (strategy: string | undefined) => boolean;
  /** Which requests are sent where the router says. */
  readonly steeringOf: SteeringOf;
  /** For requests that come without an `x-request-id`. */
  readonly newRequestId: () => string;
}

/** The messages without a reply yet, in the only order that they come in; and of the body all that was in them. */
interface Owed {
  headers: boolean;
  bodies: number;
  /** The last body message said that it is the last. */
  ended: boolean;
  trailers: boolean;
  readonly body: GatheredBody;
}

type State =
  | { readonly at: 'start' }
  /** Gathering the body. */
  | { readonly at: 'collecting'; readonly request: Ask; readonly owed: Owed }
  | { readonly at: 'deciding'; readonly extent: DecidedBy; readonly owed: Owed }
  /** Nothing more to decide: every message gets a neutral reply, or its echo. */
  | { readonly at: 'passing' }
  /** Answered by us: nothing may be sent any more. */
  | { readonly at: 'rejected' };

/** Where the model is looked for when the rest of a body is not waited for: clients that name it first name it here. */
const BEGINNING_BYTES = 64 * 1024;

/** By how much of a body the door has a decision made. */
type DecidedBy = Extract<BodyExtent, 'whole' | CutShort | 'any_pod'>;

/** What the headers said about a request that we route. */
type Ask = Omit<RouteRequest, 'body' | 'extent'>;

const NO_FACTS: readonly SettledFact[] = [];

export class RequestSide {
  readonly #modes: Modes;
  readonly #options: ExchangeOptions;
  #state: State = { at: 'start' };
  /** Set by the headers; the response side echoes it. */
  requestId = '';
  readonly #facts: SettledFact[] = [];
  /** The client asked for the debug headers, and may. */
  wantsDebug = false;
  #forged: readonly string[] = name.FORGEABLE;
  #errors: ErrorShape = 'openai';
  #steering: Steering = 'steered';
  /** What Envoy is asked to show, where the decision is made by the headers alone. */
  #override: WireModeOverride | undefined;
  #responseStarted = false;
  readonly #lease: BodyLease;

  constructor(modes: Modes, options: ExchangeOptions, lease: BodyLease) {
    this.#modes = modes;
    this.#options = options;
    this.#lease = lease;
  }

  /** Whether a body is still held here, or its decision is still out. */
  get holdsBody(): boolean {
    return this.#state.at === 'collecting' || this.#state.at === 'deciding';
  }

  /** What has happened since this was last called. */
  takeFacts(): readonly SettledFact[] {
    return this.#facts.length === 0 ? NO_FACTS : this.#facts.splice(0);
  }

  /** The request goes where the router says, if that says anything. */
  get isSteered(): boolean {
    return this.#steering === 'steered';
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
        this.#owe(this.#state.owed, message);
        return [];
      case 'passing':
        return this.#pass(message);
      case 'rejected':
        return [];
    }
  }

  decided(decision: Decision): Action[] {
    if (this.#state.at !== 'deciding') return [];
    const { owed, extent } = this.#state;
    if (decision.kind === 'rejected') return this.#reject(decision.error, owed);
    if (this.#steering !== 'steered' && decision.kind !== 'undecided')
      return this.#settle(owed, this.#leaving(decision));
    if (decision.kind === 'passed') return this.#settle(owed, reply.passMutation(decision));
    if (decision.kind === 'routed') {
      const { destinationEndpoints } = this.#options;
      const options = { requestId: this.requestId, disclosure: this.#options, destinationEndpoints };
      return this.#settle(owed, reply.mutationOf(decision, options));
    }
    if (extent === 'late_body' || extent === 'buffers_full')
      this.#facts.push({ kind: 'undecided', why: extent });
    return this.#settle(owed, undefined);
  }

  /** The rest of the body is not waited for: what there is of it has to do for a decision. */
  cutShort(why: CutShort): Action[] {
    const state = this.#state;
    return state.at === 'collecting' && state.owed.headers ? this.#decide(state, why) : [];
  }

  /** There will be no decision in time, or none at all: what is owed is answered, and the request goes on without one. */
  late(): Action[] {
    const state = this.#state;
    return state.at === 'collecting' || state.at === 'deciding' ? this.#settle(state.owed, undefined) : [];
  }

  #open({ headers, subset, endOfStream }: Extract<RequestMessage, { kind: 'request_headers' }>): Action[] {
    this.requestId = name.headerValue(headers.get(name.X_REQUEST_ID) ?? '') || this.#options.newRequestId();
    const session = { id: headers.get(name.SESSION_ID), key: headers.get(name.SESSION_KEY) };
    this.#steering = this.#options.steeringOf(session, this.requestId);
    const isDebugged = this.#options.debugHeaders === 'allowed' && headers.get(name.DEBUG) === '1';
    this.wantsDebug = isDebugged && this.#steering === 'steered';
    this.#forged = name.removedFrom(headers);
    const path = (headers.get(':path') ?? '').split('?', 1)[0]!;
    const rule = this.#options.ruleOf(path);
    const { treatment } = rule;
    this.#errors = rule.errors;
    const owed: Owed = {
      headers: this.#modes.requestHeaders === 'held',
      ...{ bodies: 0, ended: false, trailers: false, body: new GatheredBody() },
    };
    if (treatment === 'refused') return this.#refuse({ kind: 'path_refused', path }, owed);
    const method = headers.get(':method');
    if (rule.treatment === 'models' && method === 'GET' && this.#steering !== 'observed') {
      if (headers.has(name.ANTHROPIC_VERSION)) this.#errors = 'anthropic';
      return this.#answerModels(rule.model, owed);
    }
    const isRouted = method === 'POST' && (treatment === 'routed' || treatment === 'makes_response');
    const isNamed = treatment === 'names_response';
    const strategy = headers.get(name.ROUTING_STRATEGY);
    const isSeen = isRouted || isNamed || this.#echoes;
    const sample = isSeen && this.#showsAnswers ? this.#options.sampleNext() : 'not_sampled';
    const request: Ask = {
      path,
      contentType: headers.get('content-type'),
      contentEncoding: headers.get('content-encoding'),
      strategy,
      session,
      priority: priorityIn(headers.get(this.#options.priorityHeader)),
      labels: headers.get(name.EXTERNAL_FILTER),
      subset,
      response: isSeen ? this.#responseOf(treatment, strategy, sample) : 'unwatched',
      sample,
      steering: this.#steering,
      unroutable: this.#echoes ? 'any_pod' : 'reject',
      requestId: this.requestId,
      trace: traceOf(headers),
    };
    // In this mode the router is an endpoint picker: its gateway has no pod for a request but the one that it names.
    if (this.#echoes && (!isRouted || endOfStream)) return this.#decide({ request, owed }, 'any_pod');
    if (isNamed) {
      owed.headers = true;
      this.#override =
        this.#modes.requestHeaders === 'held' ? undefined : this.#bufferIfAsked(request.response);
      return this.#decide({ request, owed }, 'any_pod');
    }
    if (!isRouted) {
      this.#state = { at: 'passing' };
      return [send(this.#headersReply(undefined, this.#skipTheRest()))];
    }
    if (Number(headers.get('content-length')) > this.#options.maxBodyBytes)
      return this.#refuse(this.#tooLarge(), owed);
    if (endOfStream) {
      return this.#refuse({ kind: 'malformed_body', message: 'the request has no body', param: null }, owed);
    }
    this.#state = { at: 'collecting', request, owed };
    if (owed.headers) return [{ kind: 'start_body_deadline', mode: this.#modes.request as HeldMode }];
    return [send(this.#headersReply(undefined, this.#bufferIfAsked(request.response)))];
  }

  #collect(state: Extract<State, { at: 'collecting' }>, message: RequestMessage): Action[] {
    const { owed } = state;
    this.#owe(owed, message);
    const { bytes, memory } = owed.body;
    if (bytes > this.#options.maxBodyBytes) return this.#refuse(this.#tooLarge(), owed);
    const isWhole = this.#isWhole(message);
    if (!isWhole && this.#modes.requestHeaders !== 'held') {
      this.#facts.push({ kind: 'undecided', why: 'body_out_of_reach' });
      return this.#settle(owed, undefined);
    }
    if (!this.#lease.resize(memory)) return this.#decide(state, 'buffers_full');
    return isWhole ? this.#decide(state, 'whole') : [];
  }

  #decide({ request, owed }: { readonly request: Ask; readonly owed: Owed }, extent: DecidedBy): Action[] {
    this.#state = { at: 'deciding', extent, owed };
    const body = extent === 'whole' ? owed.body.joined() : owed.body.beginning(BEGINNING_BYTES);
    this.#lease.keep();
    this.#lease.resize(owed.body.memory);
    return [{ kind: 'route', request: { ...request, body, extent } }];
  }

  /** Of a body that Envoy keeps itself, nothing needs to be kept once it is decided upon. */
  #owe(owed: Owed, message: RequestMessage): void {
    if (message.kind === 'request_headers') owed.headers = true;
    else if (message.kind === 'request_trailers') owed.trailers = true;
    else {
      owed.bodies++;
      owed.ended = message.endOfStream;
      if (this.#echoes || this.#state.at === 'collecting') owed.body.append(message.body);
    }
  }

  /** Whether this message completes the body. In BUFFERED mode it is the only one, and `false` announces trailers. */
  #isWhole(message: RequestMessage): boolean {
    if (message.kind === 'request_headers') return false;
    if (message.kind === 'request_trailers') return this.#modes.requestHeaders === 'held';
    return message.endOfStream || this.#modes.request === 'BUFFERED';
  }

  /** Replies to all that is owed; the first reply that may change headers carries the decision. */
  #settle(owed: Owed, mutation: reply.Mutation | undefined): Action[] {
    this.#state = { at: 'passing' };
    const replies: WireResponse[] = [];
    if (owed.headers) replies.push(this.#headersReply(mutation, this.#override));
    if (owed.bodies > 0 && this.#echoes) {
      replies.push(...reply.streamedPieces('request_body', owed.body.pieces(), endOf(owed.ended)));
    } else {
      let carried = owed.headers ? undefined : mutation;
      for (let i = 0; i < owed.bodies; i++) {
        replies.push(carried ? reply.requestBody(carried) : reply.neutral('request_body'));
        carried = undefined;
      }
    }
    if (owed.trailers) replies.push(reply.neutral('request_trailers'));
    return replies.map(send);
  }

  #pass(message: RequestMessage): Action[] {
    if (message.kind === 'request_body' && this.#echoes) {
      return reply.streamedBody('request_body', message.body, endOf(message.endOfStream)).map(send);
    }
    return [
      send(message.kind === 'request_headers' ? this.#headersReply(undefined) : reply.neutral(message.kind)),
    ];
  }

  #headersReply(mutation: reply.Mutation | undefined, override?: WireModeOverride): WireResponse {
    if (this.#steering === 'observed') return reply.neutral('request_headers', override);
    const { targetHeaders } = this.#options;
    return reply.requestHeaders({ mutation, override, forged: this.#forged, targetHeaders });
  }

  /** Answers without asking for a decision. */
  #refuse(error: ClientError, owed: Owed): Action[] {
    const isAnswered = this.#mayAnswer(error);
    this.#facts.push({ kind: 'rejected', error, steering: isAnswered ? 'steered' : this.#steering });
    if (!isAnswered && this.#state.at === 'start') {
      owed.headers = true;
      this.#override = this.#skipTheRest();
    }
    return this.#reject(error, owed);
  }

  #reject(error: ClientError, owed: Owed): Action[] {
    if (this.#responseStarted || !this.#mayAnswer(error)) return this.#settle(owed, undefined);
    this.#state = { at: 'rejected' };
    const models = this.#options.models().map(({ id }) => id);
    return [send(reply.immediate(error, { shape: this.#errors, models }))];
  }

  /** What is not for clients stays closed to those whose requests Envoy balances. */
  #mayAnswer({ kind }: ClientError): boolean {
    return this.#steering === 'steered' || (this.#steering === 'left' && kind === 'path_refused');
  }

  /** What is changed about a request that goes where Envoy sends it. */
  #leaving({ model }: RoutedDecision | PassedDecision): reply.Mutation | undefined {
    return this.#steering === 'left' ? reply.leaveMutation(model, this.#options) : undefined;
  }

  /** @param model the one that is asked for; undefined: all of them */
  #answerModels(model: string | undefined, owed: Owed): Action[] {
    const models = this.#options.models();
    const found = models.find(({ id }) => id === model);
    if (model !== undefined && found === undefined)
      return this.#refuse({ kind: 'unknown_model', model }, owed);
    this.#facts.push({ kind: 'answered', what: 'models' });
    this.#state = { at: 'rejected' };
    return [
      send(reply.ownAnswer(found ? modelAnswer(found, this.#errors) : modelListAnswer(models, this.#errors))),
    ];
  }

  /** Whether Envoy shows answers, or may be asked to: see `#responseOf`. */
  get #showsAnswers(): boolean {
    return this.#modes.response !== 'NONE' || this.#modes.request === 'BUFFERED';
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
  #responseOf(treatment: PathRule['treatment'], strategy: string | undefined, sample: Sample): Visibility {
    if (this.#modes.response !== 'NONE' || this.wantsDebug || sample === 'sampled') return 'watched';
    // Its headers say which pod has it.
    if (this.#steering !== 'steered') return this.#modes.request === 'BUFFERED' ? 'watched' : 'unwatched';
    // Its headers tell the client where its session is.
    if (this.#modes.request === 'BUFFERED' && this.#options.keepsSession(strategy)) return 'watched';
    // Its headers say whether there is an id to be looked for.
    if (treatment === 'makes_response' && this.#modes.request === 'BUFFERED') return 'watched';
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

function endOf(ended: boolean) {
  return ended ? 'end_of_stream' : 'more_follows';
}

/** What is no whole number is the usual priority. */
function priorityIn(text: string | undefined): number {
  return text !== undefined && /^-?\d{1,10}$/.test(text.trim()) ? Number(text) : 0;
}

function traceOf(headers: name.Headers): Record<string, string> {
  const trace: Record<string, string> = {};
  for (const key of ['traceparent', 'tracestate']) {
    const value = headers.get(key);
    if (value !== undefined) trace[key] = value;
  }
  return trace;
}
