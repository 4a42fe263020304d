/** Prompts that are the doctor's own. */
import { randomBytes, randomInt } from 'node:crypto';

export interface ProbePrompt {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const CHAT = '/v1/chat/completions';
const TEXT = '/v1/completions';

/** A block is seldom larger, and a prompt must have two to show a chain. */
const LEAST_WORDS = 80;
const MOST_WORDS = 2_000;
/** Tokens per word, at the least. */
const BLOCKS = 2.5;
const WORDS =
  'river stone cloud paper window garden silver morning bridge market yellow winter engine forest letter music ocean copper summer candle'.split(
    ' ',
  );

/** The same at every pod: what is compared is how they tokenize it. Nothing is generated from it. */
export function commonPrompts(model: string): ProbePrompt[] {
  const messages = [
    // No system message: a template's own is what differs most often.
    { role: 'user', content: 'Résumé, naïve, 東京, 🙂: what is\n\n  2 + 2?' },
    { role: 'assistant', content: 'It is 4.' },
    { role: 'user', content: 'And 4 + 4?' },
  ];
  return [
    { path: CHAT, body: { model, messages } },
    {
      path: TEXT,
      body: { model, prompt: 'Once upon a time, 1,024 naïve cats said: “東京 🙂”\n\n\tand left.' },
    },
  ];
}

/**
 * Prompts that nobody has sent before, of at least two blocks, to be generated from: one token each. Their salt keeps them apart from
 * all else in the engine's cache, so that it announces all of their blocks.
 */
export function freshPrompts(model: string, blockSizeTokens: number | undefined): ProbePrompt[] {
  const words = Math.min(MOST_WORDS, Math.max(LEAST_WORDS, Math.ceil(BLOCKS * (blockSizeTokens ?? 0))));
  const options = {
    max_tokens: 1,
    temperature: 0,
    stream: false,
    cache_salt: randomBytes(16).toString('hex'),
  };
  const content = someWords(words);
  return [
    { path: CHAT, body: { model, messages: [{ role: 'user', content }], ...options } },
    { path: TEXT, body: { model, prompt: someWords(words), ...options } },
  ];
}

function someWords(count: number): string {
  return Array.from({ length: count }, () => WORDS[randomInt(WORDS.length)]).join(' ');
}
