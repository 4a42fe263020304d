import type { ClientError } from '../domain.ts';
import { decodeBody, isPlain, KNOWN_ENCODINGS } from '../prompt/content-encoding.ts';
import { isCostlyJson } from '../prompt/json-cost.ts';
import { takesTokenIds } from '../prompt/paths.ts';
import { TOO_LATE } from '../prompt/tokenizer.ts';
import { Slots } from '../slots.ts';
import { type Clock, deadlineAfter } from '../time.ts';
import {
  type Decide,
  type Route,
  type RouteOutcome,
  type RouteRequest,
  rejected,
  undecided,
} from './route-request.ts';

export interface ReadableBodyOptions {
  /** Of a body after decoding. */
  readonly maxBodyBytes: number;
  /** Of the whole decision. */
  readonly deadlineMs: number;
  readonly now: Clock;
}

/** As many as there are threads for it. Each may hold a whole body. */
const DECODED_AT_ONCE = 4;

/**
 * Gives `decide` bodies that can be read: decompressed, and not so intricate that parsing them would stop all other decisions. What
 * cannot be read goes by load, with the model that its beginning names, or the only one.
 */
export function withReadableBody(decide: Decide, options: ReadableBodyOptions): Route {
  const slots = new Slots(DECODED_AT_ONCE);

  return (request, signal) => {
    if (request.extent !== 'whole') return decide(request, signal, 0);
    return isPlain(request.contentEncoding)
      ? decideCheaply(request, signal, 0)
      : decodeFirst(request, request.contentEncoding!, signal);
  };

  function decideCheaply(request: RouteRequest, signal: AbortSignal, spentMs: number): Promise<RouteOutcome> {
    const numbers = takesTokenIds(request.path) ? 'expected' : 'unexpected';
    if (!isCostlyJson(request.body, numbers)) return decide(request, signal, spentMs);
    const body = request.body.subarray(0, BEGINNING_BYTES);
    return orReject(decide({ ...request, body, extent: 'too_intricate' }, signal, spentMs), NO_MODEL);
  }

  async function decodeFirst(
    request: RouteRequest,
    encoding: string,
    signal: AbortSignal,
  ): Promise<RouteOutcome> {
    const { maxBodyBytes, deadlineMs, now } = options;
    const started = now();
    const deadline = deadlineAfter(deadlineMs, signal, TOO_LATE);
    const unread = { ...request, body: NO_BYTES };
    try {
      const decoded = await slots.run(deadline.signal, () =>
        decodeBody(encoding, request.body, maxBodyBytes, deadline.signal),
      );
      switch (decoded.kind) {
        case 'decoded':
          return await decideCheaply({ ...request, body: decoded.body }, signal, now() - started);
        case 'too_large':
          return rejected({ kind: 'body_too_large', limitBytes: maxBodyBytes });
        case 'corrupt':
          return rejected(malformed('it is not what its content-encoding says'));
        case 'unknown':
          return await orReject(
            decide({ ...unread, extent: 'unknown_encoding' }, signal, 0),
            UNKNOWN_ENCODING,
          );
      }
    } catch (error) {
      if (signal.aborted) return undecided();
      if (!deadline.signal.aborted) throw error;
      return await decide({ ...unread, extent: 'deadline' }, signal, deadlineMs);
    } finally {
      deadline.clear();
    }
  }
}

const NO_BYTES = new Uint8Array(0);
/** Where the model is looked for in a body that is not parsed: some 10 ms for the worst of them. */
const BEGINNING_BYTES = 512 * 1024;
const NO_MODEL = malformed(
  `it has too many values to be parsed here, and names no model in its first ${BEGINNING_BYTES} bytes`,
);
const UNKNOWN_ENCODING = malformed(
  `its content-encoding is not known here, and pods serve different models: use ${KNOWN_ENCODINGS.join(', ')}, or none`,
);

function malformed(why: string): ClientError {
  return { kind: 'malformed_body', message: `error processing request body: ${why}`, param: null };
}

/** All of the body is here: that it names no model is the client's mistake. */
async function orReject(deciding: Promise<RouteOutcome>, error: ClientError): Promise<RouteOutcome> {
  const outcome = await deciding;
  return outcome.decision.kind === 'undecided' ? rejected(error) : outcome;
}
