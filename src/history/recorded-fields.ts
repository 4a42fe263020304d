import { printable } from '../printable.ts';
import type { JsonObject } from '../simulation/trace/mooncake.ts';

/** What a line of a recording says beside what any trace does; undefined: it does not say. Untrusted input: a file may be anybody's. */
export interface RecordedFields {
  readonly outcome: string | undefined;
  readonly reason: string | undefined;
  readonly arm: string | undefined;
  readonly pod: string | undefined;
  readonly predictedTokens: number | undefined;
  readonly firstByteMs: number | undefined;
  /** What the engine reported, both or neither. */
  readonly reported: { readonly promptTokens: number; readonly cachedTokens: number } | undefined;
}

export function recordedFields(fields: JsonObject): RecordedFields {
  const promptTokens = numberIn(fields, 'prompt_tokens');
  const cachedTokens = numberIn(fields, 'cached_tokens');
  return {
    outcome: textIn(fields, 'outcome'),
    reason: textIn(fields, 'reason') ?? textIn(fields, 'error'),
    arm: textIn(fields, 'arm'),
    pod: textIn(fields, 'pod'),
    predictedTokens: numberIn(fields, 'predicted_tokens'),
    firstByteMs: numberIn(fields, 'first_byte_ms'),
    reported:
      promptTokens === undefined || cachedTokens === undefined ? undefined : { promptTokens, cachedTokens },
  };
}

const MAX_NAME = 100;

/** Fit for a terminal. */
export function nameOf(text: string): string {
  return printable(text, MAX_NAME);
}

function textIn(fields: JsonObject, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? nameOf(value) : undefined;
}

function numberIn(fields: JsonObject, name: string): number | undefined {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
