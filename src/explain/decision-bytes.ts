import type { KeptDecision } from './kept-decision.ts';
import { PACKED_BYTES } from './packed-decisions.ts';

/** Bytes that a packed decision keeps from being used otherwise: measured, and rounded up. Pods and configured strategies are shared. */
export function packedBytesOf({ id, course }: KeptDecision): number {
  return PACKED_BYTES + TEXT_BYTES + textBytes(id) + textBytes(course?.prompt);
}

/** The same of one that is kept as an object. */
export function objectBytesOf({ id, model, outcome, course }: KeptDecision): number {
  let bytes = BASE_BYTES + textBytes(id) + textBytes(model) + textBytes(course?.prompt);
  if (outcome.kind === 'routed') {
    const { strategy, retries } = outcome;
    bytes += textBytes(strategy.text) + BYTES_PER_REFERENCE * retries.length;
    if (strategy.kind === 'weighted') bytes += BYTES_PER_MEMBER * strategy.members.length;
  }
  const candidates = course?.considered?.candidates;
  if (candidates !== undefined) {
    const { pods, cpu, scores, shares } = candidates;
    const lists = 5 + (cpu === undefined ? 0 : 2) + (scores === undefined ? 0 : 1) + (shares?.length ?? 0);
    bytes += lists * (BYTES_PER_LIST + BYTES_PER_REFERENCE * pods.length);
  }
  return bytes;
}

const BASE_BYTES = 1_000;
/** Of a text beside its characters. */
const TEXT_BYTES = 32;
const BYTES_PER_MEMBER = 64;
const BYTES_PER_LIST = 48;
const BYTES_PER_REFERENCE = 8;

function textBytes(text: string | undefined): number {
  return text === undefined ? 0 : 2 * text.length;
}
