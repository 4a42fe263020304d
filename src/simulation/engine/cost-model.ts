/** How long one step of an engine's scheduler takes: a sum. */
export interface CostModel {
  readonly stepMs: number;
  /** For each prompt token that is computed. */
  readonly prefillTokenMs: number;
  /** For each sequence that gets a token. */
  readonly decodeSequenceMs: number;
}

/**
 * Llama 3.3 70B on four H100 (tensor parallel), vLLM 0.8.4: the regression over measured steps in `defaults.yaml` of the simulator
 * BLIS (github.com/inference-sim/inference-sim, commit 3d79c654c2037299de0d656d57bbbf693edde7df, `beta_coeffs` of
 * meta-llama/llama-3.3-70b-instruct, H100, TP 4: microseconds a step, an uncached token and a decoded token). 13,085 tokens a second.
 */
export const LLAMA_70B_ON_4_H100: CostModel = {
  stepMs: 12.60127,
  prefillTokenMs: 0.07642,
  decodeSequenceMs: 0.06684,
};

/** What one step computes. */
export interface StepWork {
  /** Prompt tokens, and tokens that are computed again after a preemption. */
  readonly prefillTokens: number;
  /** Sequences that get a token. */
  readonly decodes: number;
}

/** @param speed of this engine: 0.5 takes twice as long */
export function stepMs(cost: CostModel, { prefillTokens, decodes }: StepWork, speed: number): number {
  return (cost.stepMs + cost.prefillTokenMs * prefillTokens + cost.decodeSequenceMs * decodes) / speed;
}
