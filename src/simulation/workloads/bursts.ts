import type { Prompt } from './prompts.ts';
import { arrivals, type Workload } from './workload.ts';

const MEAN_BURST_GAP_MS = 2_500;
const WITHIN_MS = 300;
/** How often a burst comes back to an earlier one's prompt, and to how many of them it may. */
const AGAIN = 0.3;
const REMEMBERED = 20;

/** Siblings that arrive together. */
export const bursts: Workload = {
  name: 'bursts',
  firstId: 2 ** 39,
  description:
    'Every 2.5 seconds 4 to 24 siblings arrive within 0.3 seconds: a common prompt of 2,000 to 24,000 tokens, and 20 to 500 of their own. Three bursts in ten come back to the prompt of one of the last twenty.',
  start(stage) {
    const { draw, prompts, timeline, send } = stage;
    const last: Prompt[] = [];
    arrivals(stage, MEAN_BURST_GAP_MS, () => {
      const comesBack = last.length > 0 && draw.uniform() < AGAIN;
      const common = comesBack
        ? last[draw.whole(0, last.length - 1)]!
        : prompts.whole(draw.logUniform(2_000, 24_000));
      if (!comesBack) last.push(common);
      if (last.length > REMEMBERED) last.shift();
      for (let siblings = draw.whole(4, 24); siblings > 0; siblings--) {
        const prompt = prompts.after(common, draw.logUniform(20, 500));
        const outputTokens = draw.logUniform(40, 500);
        timeline.at(timeline.now + draw.uniform() * WITHIN_MS, () => send({ ...prompt, outputTokens }));
      }
    });
  },
};
