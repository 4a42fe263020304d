/** Prompts of more than text, and pods of more than one rank: fake engines that render, and publish what they hold. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import { eventually } from './support/eventually.ts';
import { FakePublisher } from './support/fake-publisher.ts';
import { type AnswerRequest, type FakeTokenizer, json, withoutRender } from './support/fake-tokenizer.ts';
import { batchOf, storedMap } from './support/kv-events.ts';
import { decisionOn, MODEL, ServeBench, type Served, WITH_EVENTS } from './support/serve-bench.ts';

const CHAT = '/v1/chat/completions';
const BLOCK = 16;
const PLACEHOLDER = 151_655;
/** An image takes three blocks. */
const IMAGE_TOKENS = 3 * BLOCK;
/** Four blocks. */
const SYSTEM = 'You look at pictures, and say what is in them. Be brief and kind'.padEnd(4 * BLOCK, '.');
const QUESTION = 'What does this picture show?'.padEnd(2 * BLOCK, '.');

type Part = { readonly type: string; readonly text?: string; readonly image_url?: { readonly url: string } };
type Message = { readonly role: string; readonly content: string | readonly Part[] };

const chatAbout = (url: string) => ({
  messages: [
    { role: 'system', content: SYSTEM },
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: QUESTION },
      ],
    },
  ] satisfies Message[],
});

/** As vLLM would: texts as their bytes, an image as placeholders; which one it is stands in the features. */
function rendered(messages: readonly Message[]) {
  const ids: number[] = [];
  const hashes: string[] = [];
  const places: { offset: number; length: number }[] = [];
  for (const { content } of messages) {
    for (const { text, image_url } of typeof content === 'string'
      ? [{ text: content }]
      : (content as Part[])) {
      if (image_url !== undefined) {
        hashes.push(`hash of ${image_url.url}`);
        places.push({ offset: ids.length, length: IMAGE_TOKENS });
        ids.push(...new Array<number>(IMAGE_TOKENS).fill(PLACEHOLDER));
      } else ids.push(...Buffer.from(text ?? ''));
    }
  }
  return { ids, hashes, places };
}

const render: AnswerRequest = ({ path, body }) => {
  const { ids, hashes, places } = rendered((body as { readonly messages: readonly Message[] }).messages);
  if (path === '/tokenize') return json(200, { count: ids.length, max_model_len: 4096, tokens: ids });
  const features = { mm_hashes: { image: hashes }, mm_placeholders: { image: places }, kwargs_data: null };
  return json(200, { token_ids: ids, features: hashes.length > 0 ? features : null });
};

/** What an engine publishes when it has computed this prompt. */
function announcing(messages: readonly Message[]): Buffer {
  const { ids, hashes, places } = rendered(messages);
  const blocks = Math.floor(ids.length / BLOCK);
  const keys = Array.from({ length: blocks }, (_, block) => {
    const items = hashes.flatMap((hash, i) => {
      const { offset, length } = places[i]!;
      const isIn = offset < (block + 1) * BLOCK && offset + length > block * BLOCK;
      return isIn ? [[hash, offset - block * BLOCK]] : [];
    });
    return items.length === 0 ? null : items;
  });
  return batchOf(
    storedMap({
      block_hashes: Array.from({ length: blocks }, (_, i) => 1000 + i),
      token_ids: ids.slice(0, blocks * BLOCK),
      block_size: BLOCK,
      extra_keys: keys,
    }),
  );
}

describe('the server, with images and ranks', function () {
  this.timeout(20_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  /** Two pods, each with publishers for so many ranks. */
  async function startPods(answer: AnswerRequest, ranks: number) {
    const fakes = await bench.startTokenizers(2, answer);
    const publishers: FakePublisher[][] = [];
    for (const _ of fakes) {
      const ofPod = await FakePublisher.bindRanks(ranks);
      publishers.push(ofPod);
      bench.atEnd(() => Promise.all(ofPod.map(publisher => publisher.close())));
    }
    const pods = fakes.map(({ pod }, i) => ({
      ...{ name: pod.name, address: pod.ip, port: pod.port, model: MODEL },
      kvEvents: { port: publishers[i]![0]!.port, ranks },
    }));
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
    return { fakes, publishers };
  }

  const addressOf = ({ pod }: FakeTokenizer) => `127.0.0.1:${pod.port}`;
  const holds = ({ server }: Served, blocks: number) =>
    eventually('the events are in the index', () => server.cache.index.size().blocks >= blocks);

  it('matches an image with its own announced blocks, and another one up to where it starts', async () => {
    const { fakes, publishers } = await startPods(render, 1);
    const served = await bench.start({ ...WITH_EVENTS, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
    const cat = chatAbout('https://example/cat');
    const [publisher] = publishers[1]!;
    await publisher!.joined();
    await publisher!.publish(announcing(cat.messages));
    await holds(served, 9);
    const target = addressOf(fakes[1]!);
    assert.deepInclude(await decisionOn(served.envoy, CHAT, cat), {
      ...{ target, reason: 'prefix_match', matchedBlocks: 9 },
    });
    assert.deepInclude(await decisionOn(served.envoy, CHAT, chatAbout('https://example/dog')), {
      ...{ target, reason: 'prefix_match', matchedBlocks: 4 },
    });
    const asked = fakes.flatMap(({ requests }) => requests.filter(({ path }) => path === `${CHAT}/render`));
    assert.lengthOf(asked, 2);
    for (const { body } of asked) assert.deepInclude(body, { mm_payload: 'none' });
  });

  it('expects of a pod the image that was sent to it, and not another one', async () => {
    await startPods(render, 1);
    const { envoy } = await bench.start(WITH_EVENTS);
    const first = await decisionOn(envoy, CHAT, chatAbout('https://example/cat'));
    assert.equal(first.reason, 'no_match');
    const again = await decisionOn(envoy, CHAT, chatAbout('https://example/cat'));
    assert.deepInclude(again, { target: first.target, matchedBlocks: 9 });
    const other = await decisionOn(envoy, CHAT, chatAbout('https://example/dog'));
    assert.deepInclude(other, { target: first.target, matchedBlocks: 4 });
  });

  it('matches up to the message with the first image where engines do not render', async () => {
    const { fakes } = await startPods(request => render(request), 1);
    for (const fake of fakes) {
      const absent = withoutRender(json(404, { detail: 'Not Found' }));
      fake.answer = request => (request.path === '/tokenize' ? render(request) : absent(request));
    }
    const { envoy } = await bench.start(WITH_EVENTS);
    const first = await decisionOn(envoy, CHAT, chatAbout('https://example/cat'));
    for (const url of ['https://example/cat', 'https://example/dog']) {
      assert.deepInclude(await decisionOn(envoy, CHAT, chatAbout(url)), {
        ...{ target: first.target, reason: 'prefix_match', matchedBlocks: 4 },
      });
    }
    assert.notInclude(fakes.flatMap(({ requests }) => requests.at(-1)?.text).join(), 'example');
  });

  it('names the data-parallel rank that holds the prompt, whatever rank the client names', async () => {
    const { fakes, publishers } = await startPods(render, 2);
    const served = await bench.start(WITH_EVENTS);
    const text = { messages: [{ role: 'user', content: SYSTEM }] };
    const cold = await decisionOn(served.envoy, CHAT, { messages: [{ role: 'user', content: QUESTION }] });
    assert.isUndefined(cold.rank);
    const rank1 = publishers[1]![1]!;
    await rank1.joined();
    await rank1.publish(announcing(text.messages));
    await eventually('the events are in the index', () => {
      const { index, history } = served.server.cache;
      return index.size().entries - history.entries >= 4;
    });
    const warm = await decisionOn(served.envoy, CHAT, text, { 'x-data-parallel-rank': '0' });
    assert.deepInclude(warm, { target: addressOf(fakes[1]!), rank: '1', matchedBlocks: 4 });
    assert.include(warm.removed, 'x-data-parallel-rank');
  });

  it('names no rank where there is one only', async () => {
    const { publishers } = await startPods(render, 1);
    const served = await bench.start(WITH_EVENTS);
    const text = { messages: [{ role: 'user', content: SYSTEM }] };
    await publishers[0]![0]!.joined();
    await publishers[0]![0]!.publish(announcing(text.messages));
    await holds(served, 4);
    const { rank, matchedBlocks } = await decisionOn(served.envoy, CHAT, text);
    assert.deepEqual([rank, matchedBlocks], [undefined, 4]);
  });
});
