import { arrivals, type Workload } from './workload.ts';

const DOCUMENTS = 4_000;
const DOCUMENTS_PER_PROMPT = 3;
const MEAN_GAP_MS = 125;

/** Documents, hot and cold. */
export const rag: Workload = {
  name: 'rag',
  firstId: 2 ** 38,
  description:
    'Each of eight requests a second has the same instructions of 1,024 tokens, three of four thousand documents of 1,000 to 6,000 tokens (Zipf, exponent 1) and a question of 30 to 300 tokens. The most popular document comes first, so a prompt shares what it has in common with others up to the first difference.',
  start(stage) {
    const { draw, prompts, send } = stage;
    const instructions = prompts.whole(1_024);
    const documents = Array.from({ length: DOCUMENTS }, () => prompts.whole(draw.logUniform(1_000, 6_000)));
    const documentOf = draw.zipf(DOCUMENTS, 1);
    arrivals(stage, MEAN_GAP_MS, () => {
      const chosen = new Set<number>();
      while (chosen.size < DOCUMENTS_PER_PROMPT) chosen.add(documentOf());
      const found = [...chosen].sort((a, b) => a - b).map(document => documents[document]!);
      const prompt = prompts.after(prompts.joined(instructions, ...found), draw.logUniform(30, 300));
      send({ ...prompt, outputTokens: draw.logUniform(80, 500) });
    });
  },
};
