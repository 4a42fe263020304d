import type { Conversation } from './conversation.ts';
import { TURN_TOKENS } from './conversation.ts';
import type { ExactModel } from './exact-blocks.ts';

/** Turns are of different lengths: too few are added at first. */
const LONG_TURN_TOKENS = 1.25 * TURN_TOKENS;

/** Adds turns until the conversation has so many tokens, within half a turn. */
export async function growTo(
  tokens: number,
  conversation: Conversation,
  model: Pick<ExactModel, 'blocksOf'>,
): Promise<Conversation> {
  for (;;) {
    const missing = tokens - (await model.blocksOf(conversation.body)).ids.length;
    if (missing < TURN_TOKENS / 2) return conversation;
    conversation.goOn(Math.max(1, Math.floor(missing / LONG_TURN_TOKENS)));
  }
}
