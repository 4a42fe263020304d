/**
 * The next turns of conversations of some 31,000 tokens, a turn of each conversation in turns, from body to block hashes. Prints one
 * line of JSON, times in microseconds.
 *
 *   node bench/tokens/turn.ts --tokenizer DIR [--conversations 150]
 */
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { microseconds } from '../support/stats.ts';
import { Conversation } from './conversation.ts';
import { Corpus } from './corpus.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';
import { growTo } from './growing.ts';

const { values } = parseArgs({
  options: {
    tokenizer: { type: 'string', default: '' },
    conversations: { type: 'string', default: '150' },
  },
});
/** The counted turns are around 31,000, and below the 32,768 that small models stop at. */
const TOKENS_AT_FIRST = 28_900;
const TURNS = { warmUp: 4, counted: 6 };

const model = await loadModel(values.tokenizer, new SegmentCache(DEFAULT_SEGMENTS_BYTES));
const corpus = new Corpus();
const conversations: Conversation[] = [];
for (let i = 0; i < Number(values.conversations); i++)
  conversations.push(await growTo(TOKENS_AT_FIRST, new Conversation(corpus, { tools: 'tools' }), model));
// All of them first: their garbage is not the router's.
const bodies = Array.from({ length: TURNS.warmUp + TURNS.counted }, () =>
  conversations.map(conversation => conversation.goOn().body),
);
const counted = bodies.slice(-TURNS.counted).flat();
for (const body of bodies.slice(0, -TURNS.counted).flat()) await model.blocksOf(body);

const times = new Float64Array(counted.length);
const tokens: number[] = [];
for (const [i, body] of counted.entries()) {
  await setImmediate();
  const started = performance.now();
  const { ids } = await model.blocksOf(body);
  times[i] = performance.now() - started;
  tokens.push(ids.length);
}
await model.close();
const [least, most] = [Math.min(...tokens), Math.max(...tokens)];
const sum = (from: number, to?: number) => tokens.slice(from, to).reduce((all, each) => all + each, 0);
const grown = sum(-conversations.length) - sum(0, conversations.length);
const newTokens = grown / conversations.length / (TURNS.counted - 1);
console.log(JSON.stringify({ ...microseconds(times), requests: times.length, least, most, newTokens }));
