import type { z } from 'zod';

export interface Setting<T, Fallback extends string | undefined = string | undefined> {
  /** The first is the name we print; the others are accepted spellings. */
  readonly names: readonly [string, ...string[]];
  /** As one would write it; undefined when the setting has no default. */
  readonly fallback: Fallback;
  readonly unit: string;
  readonly read: z.ZodType<T, string>;
  readonly purpose: string;
  readonly group: 'Warmroute' | 'AIBrix' | 'Hugging Face' | 'OpenTelemetry';
}

/** One row of the table. */
export function setting<T, Fallback extends string | undefined>(
  group: Setting<T>['group'],
  names: Setting<T>['names'],
  fallback: Fallback,
  unit: string,
  read: z.ZodType<T, string>,
  purpose: string,
): Setting<T, Fallback> {
  return { names, fallback, unit, read, purpose, group };
}
