/**
 * What a long conversation's next turn costs the server: its CPU time per ext_proc stream over loopback, where it makes the tokens itself
 * and where it asks an engine, in turns. Prints one line of JSON.
 *
 *   node bench/tokens/extproc-chat.ts --tokenizer DIR
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { PROBES } from '../../src/tokenizers/parity/probes.ts';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { cpuPerStream } from '../read-path/extproc-load.ts';
import { ForkedProgram } from '../support/forked-program.ts';
import { ForkedServer } from '../support/servers.ts';
import { median } from '../support/stats.ts';
import { Conversation, MODEL, PATH } from './conversation.ts';
import { Corpus } from './corpus.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';
import { growTo } from './growing.ts';
import type { RecordedEngines } from './recorded-engine.ts';

const { values } = parseArgs({ options: { tokenizer: { type: 'string', default: '' } } });
const CONVERSATIONS = 40;
const TOKENS_AT_FIRST = 29_000;
/** One turn of each conversation. */
const ROUNDS = { warmUp: 4, measured: 7 };
const MODES = ['auto', 'engine'] as const;
/** Requests that may be compared with the engine's answer: the first ones, and one in a hundred. */
const MAX_COMPARED = 60;

const engines = await ForkedProgram.start(new URL('./recorded-engine.ts', import.meta.url));
const model = await loadModel(values.tokenizer, new SegmentCache(DEFAULT_SEGMENTS_BYTES));
const { ports } = await look();
const corpus = new Corpus();
const conversations: Conversation[] = [];
for (let i = 0; i < CONVERSATIONS; i++)
  conversations.push(await growTo(TOKENS_AT_FIRST, new Conversation(corpus, { tools: 'tools' }), model));

for (const probe of PROBES[PATH]) await record(Buffer.from(JSON.stringify({ model: MODEL, ...probe })));
const held: number[][] = [];
for (const { body } of conversations) held.push([...(await record(body))]);
await put('held', JSON.stringify(held));
const rounds: Buffer[][] = [conversations.map(({ body }) => body)];
const tokens: number[] = [];
while (rounds.length <= ROUNDS.warmUp + ROUNDS.measured) {
  const bodies = conversations.map(conversation => conversation.goOn().body);
  for (const body of bodies) tokens.push((await record(body)).length);
  rounds.push(bodies);
}
await model.close();

const spent = { auto: [] as number[], engine: [] as number[] };
const asked = { auto: 0, engine: 0 };
const servers = new Map<(typeof MODES)[number], ForkedServer>();
for (const mode of MODES) {
  const args = [mode, values.tokenizer, ports.join(',')];
  servers.set(mode, await ForkedServer.start(new URL('./chat-server.ts', import.meta.url), args));
}
for (const [round, bodies] of rounds.entries()) {
  for (const [mode, server] of servers) {
    const { rendered } = await look();
    const cost = await cpuPerStream(server, { path: PATH, bodies, pods: ports });
    asked[mode] += (await look()).rendered - rendered;
    if (round > ROUNDS.warmUp) spent[mode].push(cost);
  }
}
for (const server of servers.values()) await server.stop();
await engines.stop();
const streams = rounds.length * CONVERSATIONS;
if (asked.auto > MAX_COMPARED || asked.engine < streams)
  throw new Error(`of ${streams} prompts, engines were asked for ${asked.auto} and ${asked.engine}`);
console.log(
  JSON.stringify({
    microsecondsPerStream: { auto: median(spent.auto), engine: median(spent.engine) },
    ...{ spent, asked, streams, bytes: rounds.at(-1)![0]!.length },
    ...{ least: Math.min(...tokens), most: Math.max(...tokens) },
  }),
);

function look(): Promise<RecordedEngines> {
  const answer = engines.answer<RecordedEngines>();
  engines.send('look');
  return answer;
}

/** From now on the engines know the prompt. */
async function record(body: Buffer): Promise<Uint32Array> {
  const { ids } = await model.blocksOf(body);
  await put(
    createHash('sha1').update(body).digest('hex'),
    JSON.stringify({ request_id: 'chatcmpl-bench', token_ids: [...ids], features: null }),
  );
  return ids;
}

async function put(key: string, body: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports[0]}/recorded/${key}`, { method: 'PUT', body });
  await response.arrayBuffer();
}
