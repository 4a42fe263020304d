/**
 * Many conversations at once, requests at random moments, whether or not those before are done: from when a request was due to its
 * block hashes. Prints one line of JSON, times in milliseconds.
 *
 *   node --expose-gc bench/tokens/mix.ts --tokenizer DIR [--seconds 30] [--bytes N]
 */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { splitmix64, U64 } from '../support/splitmix.ts';
import { percentile } from '../support/stats.ts';
import { Conversation } from './conversation.ts';
import { Corpus } from './corpus.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';
import { growTo } from './growing.ts';

const { values } = parseArgs({
  options: {
    tokenizer: { type: 'string', default: '' },
    seconds: { type: 'string', default: '30' },
    /** Of what is kept of texts that were tokenized. */
    bytes: { type: 'string', default: String(DEFAULT_SEGMENTS_BYTES) },
  },
});
const CONVERSATIONS = 500;
const PER_SECOND = 50;
/** When they have been seen first, spread evenly. */
const TOKENS = { least: 2_600, most: 31_000 };
/** One request in so many begins a conversation, in the place of another one. */
const NEW_EVERY = 25;

const cache = new SegmentCache(Number(values.bytes));
const model = await loadModel(values.tokenizer, cache);
const corpus = new Corpus();
const started = () => new Conversation(corpus, { tools: 'tools' });
const conversations: Conversation[] = [];
for (let i = 0; i < CONVERSATIONS; i++) {
  const tokens = TOKENS.least + ((TOKENS.most - TOKENS.least) * i) / (CONVERSATIONS - 1);
  conversations.push(await growTo(tokens, started(), model));
}

const state = new U64();
const random = () => {
  splitmix64(state);
  return state.lo / 2 ** 32;
};
const bodies = Array.from({ length: Number(values.seconds) * PER_SECOND }, (_, i) => {
  const which = Math.floor(random() * CONVERSATIONS);
  conversations[which] = i % NEW_EVERY === NEW_EVERY - 1 ? started() : conversations[which]!.goOn();
  return conversations[which].body;
});
const kept = { mostBytes: 0 };
const hits = { characters: 0, newCharacters: 0 };
const latencies = new Float64Array(bodies.length);
const underWay: Promise<void>[] = [];
// What making the requests has left behind is not to be collected meanwhile.
bytesInUse();
const waitedBefore = waitedMs();
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
let due = startedAt;
for (const [i, body] of bodies.entries()) {
  due += (-1_000 * Math.log(1 - random())) / PER_SECOND;
  const wait = Math.ceil(due - performance.now());
  if (wait > 0) await setTimeout(wait);
  underWay.push(take(i, body, due));
}
await Promise.all(underWay);
const tookMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(cpuBefore);
const waitedPercent = (100 * (waitedMs() - waitedBefore)) / tookMs;

const countedBytes = cache.bytes;
const withSegments = bytesInUse();
await model.close();
console.log(
  JSON.stringify({
    ...{ requests: bodies.length, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
    waitedPercent,
    ...{ cpuPercent: (user + system) / 10 / tookMs, hitShare: 1 - hits.newCharacters / hits.characters },
    ...{ mostBytes: kept.mostBytes, countedBytes, usedBytes: withSegments - bytesInUse() },
  }),
);

async function take(i: number, body: Buffer, dueAt: number): Promise<void> {
  const { characters, newCharacters } = await model.blocksOf(body);
  latencies[i] = performance.now() - dueAt;
  hits.characters += characters;
  hits.newCharacters += newCharacters;
  kept.mostBytes = Math.max(kept.mostBytes, cache.bytes);
}

/** Of objects, texts and arrays of this thread that are no garbage. */
function bytesInUse(): number {
  const { gc } = globalThis as { readonly gc?: () => void };
  gc?.();
  gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** How long this thread could have run and had no processor: others had it, which may be threads of this process. NaN: it is not known. */
function waitedMs(): number {
  if (process.platform !== 'linux') return Number.NaN;
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}
