import type { Clock, Sleep } from '../../time.ts';
import { type Connection, dial } from './connection.ts';
import { endpointParts } from './endpoint.ts';
import { readSequence, sequenceFrame } from './sequence.ts';
import { ITEM_BYTES, Lane } from './turns.ts';
import type { Wire } from './wire.ts';
import { isFault } from './wire-reader.ts';
import { message } from './zmtp.ts';

export interface ReplayOptions {
  /** `tcp://host:port`, IPv6 hosts in brackets. */
  readonly endpoint: string;
  /** The first sequence wanted. */
  readonly from: number;
  /** Longest wait for the first message, and from one to the next. An idle vLLM answers after 100 ms. */
  readonly idleTimeoutMs: number;
  /** Longest time for all of them. */
  readonly timeoutMs: number;
  /** Of all payloads together. */
  readonly maxBytes: number;
  readonly wire: Wire;
  /** Ends the replay: nothing is handed over afterwards. */
  readonly signal: AbortSignal;
  readonly onMessage: (sequence: number, payload: Uint8Array) => void;
  readonly sleep: Sleep;
  /** Monotonic. */
  readonly now: Clock;
}

/**
 * - `idle`: nothing came for too long, at the start or before the end marker;
 * - `unreachable`: there was no connection all the time;
 * - `lost`: the connection ended before the end marker;
 * - `timeout`, `too_large`: the bound on the whole, or on one message;
 * - `malformed`: an answer that is none of the known shapes;
 * - `error`: a fault of ours.
 */
export type ReplayOutcome =
  | 'ended'
  | 'idle'
  | 'unreachable'
  | 'lost'
  | 'timeout'
  | 'too_large'
  | 'malformed'
  | 'aborted'
  | 'error';

/**
 * What waits to be applied. vLLM's ROUTER drops silently, the end marker too, when we read slower than it sends, so much is kept
 * here instead.
 */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** An engine that has just started opens this port after the one of its live events. */
const RETRY_MS = 100;

/**
 * Asks a publisher to send again what it still has. Over a ROUTER at the other end, so the request is `["", start]` and each
 * answer begins with the same empty frame; start and sequence are 8 bytes, big-endian:
 *
 *   vLLM until 0.25, SGLang    `["", sequence, payload]`         end: `["", -1, ""]`
 *   vLLM since 0.26 (#45177),
 *   TensorRT-LLM               `["", topic, sequence, payload]`  end: `["", "", -1, ""]`
 *   the oldest                                                   end: `["", ""]`
 *
 * Whatever has no payload is an end. A publisher that has evicted the first of what was asked for does not say so: it begins
 * with what it has. A connection answers for one request only, so that an answer never belongs to another request.
 */
export async function replay(options: ReplayOptions): Promise<ReplayOutcome> {
  const { endpoint, from, signal, now, maxBytes, onMessage, wire } = options;
  if (signal.aborted) return 'aborted';
  const { host, port } = endpointParts(endpoint);
  const over = new AbortController();
  const outcome = Promise.withResolvers<ReplayOutcome>();
  const progress = { at: now(), connected: false };
  let payloadBytes = 0;
  let connection: Connection | undefined;
  let retry: NodeJS.Timeout | undefined;

  const lane = new Lane<Answer>(wire.turns, {
    maxBytes: MAX_WAITING_BYTES,
    onRoom: () => connection?.resume(),
    handle(answer) {
      if (signal.aborted) return;
      if (answer.kind === 'batch') onMessage(answer.sequence, answer.payload);
      else outcome.resolve(answer.outcome);
    },
  });
  const finish = (last: ReplayOutcome) => lane.push({ kind: 'last', outcome: last }, ITEM_BYTES);

  function connect(): void {
    connection = dial(host, port, {
      ...{ socketType: 'DEALER', limits: wire.limits, budget: wire.budget },
      onReady() {
        progress.connected = true;
        connection?.send(message([Buffer.alloc(0), sequenceFrame(from)]));
      },
      onMessage(frames, bytes) {
        progress.at = now();
        const answer = readAnswer(frames);
        if (answer.kind === 'batch') payloadBytes += answer.payload.length;
        lane.push(payloadBytes > maxBytes ? TOO_LARGE : answer, bytes + ITEM_BYTES);
        if (!lane.hasRoom) connection?.pause();
      },
      onEnd(why) {
        if (isFault(why)) finish(why === 'not_zmtp' ? 'malformed' : 'too_large');
        else if (progress.connected) finish('lost');
        else retry = setTimeout(connect, RETRY_MS);
      },
    });
  }

  connect();
  try {
    return await Promise.race([outcome.promise, deadline()]);
  } finally {
    over.abort();
    clearTimeout(retry);
    connection?.close();
    lane.close();
  }

  /** Waits until the replay takes too long, by either measure. What waits for its turn is no silence of the publisher. */
  async function deadline(): Promise<ReplayOutcome> {
    const { idleTimeoutMs, timeoutMs, sleep } = options;
    const startedAt = now();
    const ending = AbortSignal.any([signal, over.signal]);
    try {
      for (;;) {
        if (lane.length > 0) progress.at = now();
        const idleMs = progress.at + idleTimeoutMs - now();
        const leftMs = startedAt + timeoutMs - now();
        if (leftMs <= 0) return 'timeout';
        if (idleMs <= 0) return progress.connected ? 'idle' : 'unreachable';
        await sleep(Math.min(idleMs, leftMs), ending);
      }
    } catch (error) {
      if (ending.aborted) return 'aborted';
      throw error;
    }
  }
}

type Answer =
  | { readonly kind: 'batch'; readonly sequence: number; readonly payload: Uint8Array }
  | { readonly kind: 'last'; readonly outcome: ReplayOutcome };

const TOO_LARGE: Answer = { kind: 'last', outcome: 'too_large' };
const MALFORMED: Answer = { kind: 'last', outcome: 'malformed' };

function readAnswer([delimiter, ...frames]: readonly Uint8Array[]): Answer {
  if (delimiter?.length !== 0 || frames.length < 1 || frames.length > 3) return MALFORMED;
  const payload = frames.at(-1)!;
  if (payload.length === 0) return { kind: 'last', outcome: 'ended' };
  const sequence = readSequence(frames.at(-2));
  return sequence === undefined ? MALFORMED : { kind: 'batch', sequence, payload };
}
