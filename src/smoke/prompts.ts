/** Which API the prompts go to. */
export type Api = 'chat' | 'completions';

export const PATHS: Readonly<Record<Api, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
};

/** Some eleven tokens each: together several blocks of any engine, and little beside what models take. */
const SENTENCES = 80;
const MAX_ANSWER_TOKENS = 8;

/**
 * The bodies of two requests that share a long prefix and end differently.
 * @param topic makes the prefix one that nobody has asked before
 */
export function promptPair(api: Api, model: string, topic: string): readonly [object, object] {
  // What is first makes all that follows another prefix: blocks are chained.
  const rules = Array.from({ length: SENTENCES }, (_, i) => `Rule ${i + 1} is kept as it was written down.`);
  const prefix = [`This is the record ${topic}.`, ...rules].join(' ');
  const ask = (question: string) => ({
    model,
    max_tokens: MAX_ANSWER_TOKENS,
    ...(api === 'chat'
      ? {
          messages: [
            { role: 'system', content: prefix },
            { role: 'user', content: question },
          ],
        }
      : { prompt: `${prefix} ${question}` }),
  });
  return [ask('Which rule comes first?'), ask('And how many rules are there?')];
}
