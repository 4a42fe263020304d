/**
 * One thing that an operator should know. `first`: what to see to before the swap, since requests would be worse off. `differs`: works,
 * otherwise than in AIBrix. `dropped`: not taken over. `kept`: as before.
 */
export interface Finding {
  readonly weight: 'first' | 'differs' | 'dropped' | 'kept';
  /** A variable, a workload as `namespace/name`, or a feature. */
  readonly about: string;
  readonly text: string;
}

export const finding = (weight: Finding['weight'], about: string, text: string): Finding => ({
  weight,
  about,
  text,
});
