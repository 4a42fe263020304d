import { setImmediate } from 'node:timers/promises';
import { Dealer } from 'zeromq';
import type { Clock, Sleep } from '../time.ts';
import { readSequence, sequenceFrame } from './sequence.ts';

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
  /** Ends the replay: nothing is handed over afterwards. */
  readonly signal: AbortSignal;
  readonly onMessage: (sequence: number, payload: Uint8Array) => void;
  readonly sleep: Sleep;
  /** Monotonic. */
  readonly now: Clock;
}

/**
 * - `idle`: nothing came for too long, at the start or before the end marker;
 * - `timeout`, `too_large`: the bound on the whole;
 * - `malformed`: an answer that is none of the known shapes;
 * - `error`: no socket could be had, or none for this endpoint.
 */
export type ReplayOutcome = 'ended' | 'idle' | 'timeout' | 'too_large' | 'malformed' | 'aborted' | 'error';

/** ZMQ_RCVHWM, unlimited: above any limit vLLM's ROUTER drops silently, the end marker too. */
const RECEIVE_HIGH_WATER_MARK = 0;
/** Others get a turn after as many messages. */
const MESSAGES_AT_ONCE = 64;

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
 * with what it has. A socket answers for one request only, so that an answer never belongs to another request.
 */
export async function replay(options: ReplayOptions): Promise<ReplayOutcome> {
  const { endpoint, from, signal } = options;
  if (signal.aborted) return 'aborted';
  const socket = new Dealer({ receiveHighWaterMark: RECEIVE_HIGH_WATER_MARK, linger: 0, ipv6: true });
  const over = new AbortController();
  const progress = { at: options.now() };
  try {
    socket.connect(endpoint);
    await socket.send(['', sequenceFrame(from)]);
    return await Promise.race([
      read(socket, options, progress, over.signal),
      deadline(options, progress, AbortSignal.any([signal, over.signal])),
    ]);
  } finally {
    over.abort();
    socket.close();
  }
}

async function read(
  socket: Dealer,
  { onMessage, maxBytes, signal, now }: ReplayOptions,
  progress: { at: number },
  over: AbortSignal,
): Promise<ReplayOutcome> {
  let bytes = 0;
  let messages = 0;
  for await (const frames of socket) {
    if (signal.aborted || over.aborted) return 'aborted';
    progress.at = now();
    const answer = readAnswer(frames);
    if (answer.kind !== 'batch') return answer.kind;
    bytes += answer.payload.length;
    if (bytes > maxBytes) return 'too_large';
    onMessage(answer.sequence, answer.payload);
    if (++messages % MESSAGES_AT_ONCE === 0) await setImmediate();
  }
  return 'aborted';
}

/** Waits until the replay takes too long, by either measure. */
async function deadline(
  { idleTimeoutMs, timeoutMs, sleep, now }: ReplayOptions,
  progress: { readonly at: number },
  signal: AbortSignal,
): Promise<ReplayOutcome> {
  const startedAt = now();
  try {
    for (;;) {
      const idleMs = progress.at + idleTimeoutMs - now();
      const leftMs = startedAt + timeoutMs - now();
      if (leftMs <= 0) return 'timeout';
      if (idleMs <= 0) return 'idle';
      await sleep(Math.min(idleMs, leftMs), signal);
    }
  } catch (error) {
    if (signal.aborted) return 'aborted';
    throw error;
  }
}

type Answer =
  | { readonly kind: 'batch'; readonly sequence: number; readonly payload: Uint8Array }
  | { readonly kind: 'ended' | 'malformed' };

function readAnswer([delimiter, ...frames]: readonly Buffer[]): Answer {
  if (delimiter?.length !== 0 || frames.length < 1 || frames.length > 3) return { kind: 'malformed' };
  const payload = frames.at(-1)!;
  if (payload.length === 0) return { kind: 'ended' };
  const sequence = readSequence(frames.at(-2));
  return sequence === undefined ? { kind: 'malformed' } : { kind: 'batch', sequence, payload };
}
