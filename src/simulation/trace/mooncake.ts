/**
 * Mooncake's trace format (github.com/kvcache-ai/Mooncake, FAST25-release/traces): JSON Lines, of each request `timestamp` (milliseconds
 * since the trace began), `input_length` and `output_length` (tokens) and `hash_ids` (one per 512 tokens of the prompt, the last one
 * cut to its length). A router's recording (docs/record.md) has more, of which `block_tokens` (in place of 512), `model` and `outcome` matter
 * here; with the latter, what the router did not see may be missing. Other fields are ignored.
 */
import { TOKENS_PER_ID, type TraceRequest } from './trace-request.ts';

/** A line, or a file, that is no trace. `message` says where and what is to be done. */
export class TraceError extends Error {}

export type JsonObject = Readonly<Record<string, unknown>>;

export interface MooncakeLine {
  readonly atMs: number;
  /** undefined: it does not say. */
  readonly model: string | undefined;
  /** undefined: the router that recorded it has not looked it up. */
  readonly prompt: Pick<TraceRequest, 'inputTokens' | 'tokensPerId' | 'hashIds'> | undefined;
  /** undefined: the router that recorded it has not seen it. */
  readonly outputTokens: number | undefined;
}

/** Far above what any engine takes; beyond it a mistake in a line would take all memory. */
const MAX_TOKENS = 1 << 24;

/** @throws TraceError without the place, which the caller knows */
export function parseJsonLine(line: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new TraceError('is not JSON; each line must be one JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TraceError('must be a JSON object with timestamp, input_length, output_length and hash_ids');
  }
  return value as JsonObject;
}

/** @throws TraceError without the place, which the caller knows */
export function mooncakeLine(value: JsonObject): MooncakeLine {
  const atMs = value.timestamp;
  if (typeof atMs !== 'number' || !(atMs >= 0) || atMs > Number.MAX_SAFE_INTEGER) {
    throw new TraceError(`timestamp must be milliseconds, 0 or more, and is ${shown(atMs)}`);
  }
  const isRecorded = typeof value.outcome === 'string';
  return {
    atMs,
    model: typeof value.model === 'string' ? value.model : undefined,
    prompt: isRecorded && value.hash_ids === undefined ? undefined : promptOf(value),
    outputTokens:
      isRecorded && value.output_length === undefined
        ? undefined
        : // An answer may have no tokens at all; who simulates it generates one.
          Math.max(1, wholeNumber(value.output_length, 'output_length', isRecorded ? 0 : 1)),
  };
}

function promptOf(value: JsonObject): MooncakeLine['prompt'] {
  const inputTokens = wholeNumber(value.input_length, 'input_length', 1);
  const tokensPerId =
    value.block_tokens === undefined ? TOKENS_PER_ID : wholeNumber(value.block_tokens, 'block_tokens', 1);
  const hashIds = value.hash_ids;
  if (!Array.isArray(hashIds) || !hashIds.every(isId)) {
    throw new TraceError('hash_ids must be a list of whole numbers, 0 or more');
  }
  const needed = Math.ceil(inputTokens / tokensPerId);
  if (hashIds.length !== needed) {
    throw new TraceError(
      `hash_ids has ${hashIds.length} ids, and ${inputTokens} tokens of input_length are ${needed} blocks of ${tokensPerId}`,
    );
  }
  return { inputTokens, tokensPerId, hashIds };
}

function wholeNumber(value: unknown, name: string, least: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > MAX_TOKENS) {
    throw new TraceError(
      `${name} must be a whole number from ${least} to ${MAX_TOKENS}, and is ${shown(value)}`,
    );
  }
  return value as number;
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 40);
}
