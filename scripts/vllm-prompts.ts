/** Prompts for a real engine: reproducible, and of every kind that changes the tokens or the cache's context. */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A small generator of numbers in [0, 1) that the same seed repeats (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
] as const;

export interface Conversation {
  readonly system: Message;
  readonly salt: string | undefined;
  readonly tools: typeof TOOLS | undefined;
}

/** Conversation `number`: some salted, some with tools, from 60 to some 600 tokens long. */
export function conversation(number: number, run: string): Conversation {
  const sentences = [6, 18, 42, 66][number % 4]!;
  return {
    system: {
      role: 'system',
      content: `You are assistant ${number} of ${run}. ${'Answer with care and name your sources. '.repeat(sentences)}`,
    },
    salt: number % 3 === 1 ? `tenant ${number % 2} of ${run}` : undefined,
    tools: number % 2 === 1 ? TOOLS : undefined,
  };
}
