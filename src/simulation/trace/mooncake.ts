/**
 * Mooncake's trace format (github.com/kvcache-ai/Mooncake, FAST25-release/traces): JSON Lines, of each request `timestamp` (milliseconds
 * since the trace began), `input_length` and `output_length` (tokens) and `hash_ids` (one per 512 tokens of the prompt, the last one
 * cut to its length). Other fields are ignored, as later recordings have more.
 */
import { TOKENS_PER_ID, type TraceRequest } from './trace-request.ts';

/** A line, or a file, that is no trace. `message` says where and what is to be done. */
export class TraceError extends Error {}

/** Far above what any engine takes; beyond it a mistake in a line would take all memory. */
const MAX_TOKENS = 1 << 24;

/** @throws TraceError without the place, which the caller knows */
export function parseMooncakeLine(line: string): TraceRequest {
  const value = parseObject(line);
  const atMs = value.timestamp;
  if (typeof atMs !== 'number' || !(atMs >= 0) || !Number.isFinite(atMs)) {
    throw new TraceError(`timestamp must be milliseconds, 0 or more, and is ${shown(atMs)}`);
  }
  const inputTokens = tokensOf(value.input_length, 'input_length');
  const outputTokens = tokensOf(value.output_length, 'output_length');
  const hashIds = value.hash_ids;
  if (!Array.isArray(hashIds) || !hashIds.every(isId)) {
    throw new TraceError('hash_ids must be a list of whole numbers, 0 or more');
  }
  const needed = Math.ceil(inputTokens / TOKENS_PER_ID);
  if (hashIds.length !== needed) {
    throw new TraceError(
      `hash_ids has ${hashIds.length} ids, and ${inputTokens} tokens of input_length are ${needed} blocks of ${TOKENS_PER_ID}`,
    );
  }
  return { atMs, inputTokens, outputTokens, hashIds };
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new TraceError('is not JSON; each line must be one JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TraceError('must be a JSON object with timestamp, input_length, output_length and hash_ids');
  }
  return value as Readonly<Record<string, unknown>>;
}

function tokensOf(value: unknown, name: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_TOKENS) {
    throw new TraceError(`${name} must be a whole number from 1 to ${MAX_TOKENS}, and is ${shown(value)}`);
  }
  return value as number;
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 40);
}
