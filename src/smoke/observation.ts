import type { HttpAnswer } from '../http-client.ts';
import { printable } from '../printable.ts';

/** What one answer tells of who served it, and of what was cached. Undefined is what it does not tell. */
export interface Observation {
  /** From sending the request to the end of the answer. */
  readonly ms: number;
  /** Name, address, or both. */
  readonly servedBy: string | undefined;
  readonly promptTokens: number | undefined;
  /** By the engine's word: how many of the prompt's tokens it had in its cache. */
  readonly cachedTokens: number | undefined;
  /** By the router's word, before the request reached the pod. */
  readonly decision: RouterDecision | undefined;
}

export interface RouterDecision {
  readonly reason: string;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
}

/** @param content the JSON body of the answer */
export function observationOf(answer: HttpAnswer, content: unknown, ms: number): Observation {
  const usage = memberOf(content, 'usage');
  return {
    ms,
    servedBy: servedBy(answer),
    promptTokens: countOf(memberOf(usage, 'prompt_tokens')),
    cachedTokens: countOf(memberOf(memberOf(usage, 'prompt_tokens_details'), 'cached_tokens')),
    decision: decisionOf(answer),
  };
}

/** `x-target-pod` and `target-pod-ip` have the address, `x-warmroute-pod` and `target-pod` the name. */
function servedBy({ header }: HttpAnswer): string | undefined {
  const name = header('target-pod') ?? header('x-warmroute-pod');
  const address = header('x-target-pod') ?? header('target-pod-ip');
  const known = [name, address].filter(text => text !== undefined).map(text => printable(text, 80));
  return known.length === 0 ? undefined : known.join(' at ');
}

function decisionOf({ header }: HttpAnswer): RouterDecision | undefined {
  const reason = header('x-warmroute-reason');
  const matchedBlocks = countOf(Number(header('x-warmroute-matched-blocks')));
  const totalBlocks = countOf(Number(header('x-warmroute-total-blocks')));
  if (reason === undefined || matchedBlocks === undefined || totalBlocks === undefined) return undefined;
  return { reason: printable(reason, 40), matchedBlocks, totalBlocks };
}

/** Of an object that may be none. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
