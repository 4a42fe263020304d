/** Requests whose texts are all different. */
import { Conversation } from './conversation.ts';
import { Corpus } from './corpus.ts';
import type { ExactModel } from './exact-blocks.ts';
import { growTo } from './growing.ts';

export const SIZES = ['2600', '31000'] as const;
/** Of new tokens. */
export type Size = (typeof SIZES)[number];

export interface ColdBodies {
  readonly warmUp: readonly Buffer[];
  readonly counted: Readonly<Record<Size, readonly Buffer[]>>;
}

const REQUESTS: Readonly<Record<Size, number>> = { '2600': 100, '31000': 30 };
const WARM_UPS = 4;

/** @param measuring says how many tokens there are; not the one that is measured, which must not know them */
export async function coldBodies(measuring: ExactModel, named?: string): Promise<ColdBodies> {
  const corpus = new Corpus();
  const bodies = async (size: Size, count: number) => {
    const all: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      const conversation = new Conversation(corpus, { tools: 'no_tools', model: named });
      all.push((await growTo(Number(size), conversation, measuring)).body);
    }
    return all;
  };
  const warmUp = [...(await bodies('2600', WARM_UPS)), ...(await bodies('31000', WARM_UPS))];
  const counted = {
    '2600': await bodies('2600', REQUESTS['2600']),
    '31000': await bodies('31000', REQUESTS['31000']),
  };
  if (corpus.isUsedUp) throw new Error('there is too little text for so many prompts');
  return { warmUp, counted };
}
