import { createWire, type Wire } from '../../src/events/wire/wire.ts';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from '../../src/events/wire/wire-reader.ts';

/** Where a fault ends the test. */
export function aWire(limits: Partial<WireLimits> = {}): Wire {
  return createWire(
    error => {
      throw error;
    },
    { ...DEFAULT_WIRE_LIMITS, ...limits },
  );
}
