import type { Prompt } from './prompts.ts';
import { arrivals, type Stage, type Workload } from './workload.ts';

const KINDS = 12;
const MEAN_SESSION_GAP_MS = 4_000;
const MOST_TOKENS = 100_000;
/** How long a client waits for a generated token, at the least. */
const TOKEN_MS = 20;

/** Long tool histories: each step has all that was before it. */
export const agents: Workload = {
  name: 'agents',
  firstId: 2 ** 36,
  description:
    'Agents of twelve kinds, each kind with a system prompt and tools of 4,000 to 12,000 tokens, begin one every four seconds and take 5 to 40 steps. Each step sends the whole history, the last answer and a tool’s output of 200 to 4,000 tokens included, some seconds after the step before.',
  start(stage) {
    const { draw, prompts } = stage;
    const kinds = Array.from({ length: KINDS }, () => prompts.whole(draw.logUniform(4_000, 12_000)));
    const kindOf = draw.zipf(KINDS, 1);
    arrivals(stage, MEAN_SESSION_GAP_MS, () => {
      step(stage, prompts.after(kinds[kindOf()]!, draw.logUniform(200, 2_000)), draw.whole(5, 40));
    });
  },
};

function step(stage: Stage, prompt: Prompt, left: number): void {
  const { draw, prompts, timeline, send } = stage;
  const outputTokens = draw.logUniform(40, 600);
  send({ ...prompt, outputTokens });
  const next = prompts.after(prompt, outputTokens + draw.logUniform(200, 4_000));
  if (left <= 1 || next.inputTokens > MOST_TOKENS) return;
  const afterMs = 500 + TOKEN_MS * outputTokens + draw.exponential(3_000);
  timeline.at(timeline.now + afterMs, () => step(stage, next, left - 1));
}
