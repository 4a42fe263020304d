/** Throws unless an invariant holds. */
export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`not true: ${what}`);
}
