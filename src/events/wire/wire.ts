import { Slots } from '../../slots.ts';
import { Turns } from './turns.ts';
import { DEFAULT_WIRE_LIMITS, PartialBudget, type WireLimits } from './wire-reader.ts';

/** What the connections of one feed share. */
export interface Wire {
  readonly turns: Turns;
  readonly limits: WireLimits;
  readonly budget: PartialBudget;
  /** How many replays are under way at once. */
  readonly replays: Slots;
  /** A fault of ours, in what handles what was received. */
  readonly onUnexpected: (error: unknown) => void;
}

/** Of incomplete messages, in bytes. */
const MAX_PARTIAL_BYTES = 256 * 1024 * 1024;
/** Each takes a connection, and what we do not read in time its publisher drops. An idle vLLM answers after 0.1 s. */
const MAX_REPLAYS = 32;

export function createWire(
  onUnexpected: (error: unknown) => void,
  limits: WireLimits = DEFAULT_WIRE_LIMITS,
): Wire {
  return {
    turns: new Turns({ onUnexpected }),
    limits,
    budget: new PartialBudget(MAX_PARTIAL_BYTES),
    replays: new Slots(MAX_REPLAYS),
    onUnexpected,
  };
}
