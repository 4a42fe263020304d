import { arrivals, type Workload } from './workload.ts';

const TENANTS = 200;
const MEAN_GAP_MS = 70;

/** Shared system prompts. */
export const tenants: Workload = {
  name: 'tenants',
  firstId: 2 ** 37,
  description:
    'Two hundred tenants, some of them far busier than others (Zipf, exponent 0.9), have a system prompt of 1,000 to 16,000 tokens each. Some fourteen independent requests a second ask 50 to 1,000 tokens behind one of them.',
  start(stage) {
    const { draw, prompts, send } = stage;
    const systems = Array.from({ length: TENANTS }, () => prompts.whole(draw.logUniform(1_000, 16_000)));
    const tenantOf = draw.zipf(TENANTS, 0.9);
    arrivals(stage, MEAN_GAP_MS, () => {
      const prompt = prompts.after(systems[tenantOf()]!, draw.logUniform(50, 1_000));
      send({ ...prompt, outputTokens: draw.logUniform(50, 500) });
    });
  },
};
