/**
 * One HTTP request on one ext_proc stream, as a state machine without I/O: messages and decisions in, actions out. The two
 * directions are independent, since an upstream may answer before the request is finished.
 */
import type { Decision, RoutedDecision } from '../domain.ts';
import { type Endpoint, endpointOf, uses } from '../domain.ts';
import { sessionIdOf } from '../routing/route.ts';
import type { BodyLease } from './body/body-memory.ts';
import * as name from './headers.ts';
import type { Incoming, Modes, ResponseMessage } from './incoming.ts';
import * as reply from './replies.ts';
import { type Action, type ExchangeOptions, RequestSide, type SettledFact } from './request-side.ts';
import type { WireModeOverride } from './wire.ts';

export type { Action, ExchangeOptions, HeldMode, SettledFact } from './request-side.ts';

const NEUTRAL_BODY: Action = { kind: 'send', reply: reply.neutral('response_body') };

export class Exchange {
  readonly #modes: Modes;
  readonly #request: RequestSide;
  readonly #targetHeaders: ExchangeOptions['targetHeaders'];
  readonly #serverOf: ExchangeOptions['serverOf'];
  #routed: RoutedDecision | undefined;
  /** Of the answer's body: whether it is wanted, and then whether it is being read. */
  #answerBody: 'unwanted' | 'wanted' | 'reading' = 'unwanted';
  /** Directions whose body passes through us (FULL_DUPLEX_STREAMED) and has not ended. */
  readonly #carried = new Set<'request' | 'response'>();

  /** `lease`: of the memory that all bodies share. What is left of it when `holdsBody` turns false is the caller's to release. */
  constructor(modes: Modes, options: ExchangeOptions, lease: BodyLease) {
    this.#modes = modes;
    this.#targetHeaders = options.targetHeaders;
    this.#serverOf = options.serverOf;
    this.#request = new RequestSide(modes, options, lease);
  }

  /** One reply per message, in order; none after the request was answered by us. */
  receive(message: Incoming): Action[] {
    this.#noteCarried(message);
    switch (message.kind) {
      case 'request_headers':
      case 'request_body':
      case 'request_trailers':
        return this.#request.receive(message);
      case 'response_headers':
      case 'response_body':
      case 'response_trailers':
        if (this.#request.rejected) return [];
        this.#request.responseStarted();
        return this.#respond(message);
      case 'unknown':
        return [];
    }
  }

  /** Envoy has given us a body that it keeps no copy of: to end the stream now would cut it. */
  get carriesBody(): boolean {
    return this.#carried.size > 0 && !this.#request.rejected;
  }

  /** Whether a body is still held here, or its decision is still out. */
  get holdsBody(): boolean {
    return this.#request.holdsBody;
  }

  /** What was settled without a decision since this was last called. */
  takeFacts(): readonly SettledFact[] {
    return this.#request.takeFacts();
  }

  /** @param answerBody of the answer to a request that is routed */
  decided(decision: Decision, answerBody: 'unwanted' | 'wanted' = 'unwanted'): Action[] {
    if (decision.kind === 'routed') {
      this.#routed = decision;
      this.#answerBody = answerBody;
    }
    return this.#request.decided(decision);
  }

  /** No more of the answer's body is wanted. */
  answerRead(): void {
    this.#answerBody = 'unwanted';
  }

  /** The rest of the body is not waited for: what there is of it has to do for a decision. Harmless to repeat. */
  cutShort(why: 'late_body' | 'buffers_full'): Action[] {
    return this.#request.cutShort(why);
  }

  /** Nothing will be decided, or not in time: the request goes on as it is. Harmless to repeat. */
  late(): Action[] {
    return this.#request.late();
  }

  #noteCarried(message: Incoming): void {
    if (message.kind === 'unknown') return;
    const direction = message.kind.startsWith('request') ? 'request' : 'response';
    if (this.#modes[direction] !== 'FULL_DUPLEX_STREAMED') return;
    if (!('endOfStream' in message) || message.endOfStream) this.#carried.delete(direction);
    else this.#carried.add(direction);
  }

  #respond(message: ResponseMessage): Action[] {
    if (message.kind === 'response_headers' && this.#routed) {
      const { status, servedBy } = message;
      const encoding = message.contentEncoding === undefined ? 'plain' : 'encoded';
      const isReadable = status === 200 && encoding === 'plain';
      this.#answerBody = this.#answerBody === 'wanted' && isReadable ? 'reading' : 'unwanted';
      const override = this.#streamIfRead();
      const shown = this.#request.isSteered
        ? reply.responseHeaders(this.#responseHeaders(this.#routed, servedBy), override)
        : reply.neutral('response_headers', override);
      return [
        { kind: 'send', reply: shown },
        { kind: 'answered', answer: { status, servedBy }, encoding },
      ];
    }
    if (message.kind !== 'response_body') return [{ kind: 'send', reply: reply.neutral(message.kind) }];
    // Read before Envoy passes it on, so that what follows from it holds when the client has it.
    const read: Action[] =
      this.#answerBody === 'reading' ? [{ kind: 'answer_body', part: message.body }] : [];
    return [...read, ...this.#passBody(message)];
  }

  #passBody({ body, endOfStream }: Extract<ResponseMessage, { kind: 'response_body' }>): Action[] {
    if (this.#modes.response !== 'FULL_DUPLEX_STREAMED') return [NEUTRAL_BODY];
    const end = endOfStream ? 'end_of_stream' : 'more_follows';
    return reply.streamedBody('response_body', body, end).map(wire => ({ kind: 'send', reply: wire }));
  }

  /** Asks for the body of the answer where Envoy would not show it. Where it takes no such override, it is not read. */
  #streamIfRead(): WireModeOverride | undefined {
    if (this.#answerBody !== 'reading' || this.#modes.response !== 'NONE') return undefined;
    if (this.#modes.requestHeaders === 'held') return undefined;
    return { request_body_mode: 'BUFFERED', response_body_mode: 'STREAMED', response_header_mode: 'SEND' };
  }

  /** Of whoever served, as far as the gateway says; what it holds is known of the pick alone. */
  #responseHeaders(decision: RoutedDecision, servedBy: Endpoint | undefined): Record<string, string> {
    const server = this.#serverOf(decision.pod, servedBy);
    const pod = server.kind === 'pod' ? server.pod : undefined;
    const endpoint = server.kind === 'pod' ? endpointOf(server.pod) : server.endpoint;
    return {
      ...(uses(decision.strategy, 'session-affinity') && {
        [name.SESSION_ID]: sessionIdOf(endpoint),
      }),
      ...(this.#targetHeaders === 'aibrix' && {
        ...(pod && { [name.TARGET_POD]: pod.name }),
        [name.TARGET_POD_IP]: endpoint,
      }),
      ...(this.#targetHeaders === 'warmroute' && servedBy !== undefined && { [name.X_TARGET_POD]: endpoint }),
      [name.ROUTING_STRATEGY]: decision.strategy.text,
      [name.REQUEST_ID]: this.#request.requestId,
      ...(this.#request.wantsDebug && {
        ...(pod && { [name.POD]: pod.name }),
        ...(pod === decision.pod && {
          [name.MATCHED_BLOCKS]: String(decision.matchedBlocks),
          [name.TOTAL_BLOCKS]: String(decision.totalBlocks),
        }),
        [name.REASON]: decision.reason,
      }),
    };
  }
}
