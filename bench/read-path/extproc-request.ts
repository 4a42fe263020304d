/** What the ext_proc workload sends: a plain completion with a prompt of words, four bytes to a token. */

export const MODEL = 'demo';
const WORDS = [
  'lorem ',
  'ipsum ',
  'dolor ',
  'sit ',
  'amet ',
  'consectetur ',
  'adipiscing ',
  'elit ',
  'sed ',
  'do ',
];
const BYTES_PER_TOKEN = 4;

export function bodyOf(bytes: number): Buffer {
  const frame = { model: MODEL, max_tokens: 16, prompt: '' };
  let prompt = '';
  for (let i = 0; prompt.length < bytes - JSON.stringify(frame).length; i++) {
    prompt += WORDS[(7 * i + Math.floor(i / 10)) % WORDS.length];
  }
  return Buffer.from(JSON.stringify({ ...frame, prompt }));
}

/** As many tokens as a prompt of this length has, the same for each prompt. */
export function tokensOf(prompt: string): Uint32Array {
  return Uint32Array.from({ length: Math.ceil(prompt.length / BYTES_PER_TOKEN) }, (_, i) => 17 * i);
}

/** Its port; it is the pod that holds the prompts' beginnings. */
export const WARM_POD = 8_001;
