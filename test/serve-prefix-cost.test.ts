/** The default policy with KV-cache events, and its settings, through the whole server. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { DecisionRecord } from '../src/explain/record.ts';
import { headersSet, requestBody, requestHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { FakePublisher } from './support/fake-publisher.ts';
import type { FakeTokenizer } from './support/fake-tokenizer.ts';
import { batchOf, storedMap } from './support/kv-events.ts';
import { adminPage, MODEL, ServeBench, type Served, WITH_EVENTS } from './support/serve-bench.ts';

const BLOCK = 16;
/** Some hundred blocks: a token is a byte. */
const PROMPT = 'the whole story of how it came about, '.repeat(50);
const QUIET: Environment = { ...WITH_EVENTS, WARMROUTE_HEALTH_INTERVAL_MS: '0' };

describe('serve() and prefix-cost', function () {
  this.timeout(30_000);
  let bench: ServeBench;
  let fakes: FakeTokenizer[];
  let publishers: FakePublisher[];
  let served: Served;

  beforeEach(async () => {
    bench = await ServeBench.open();
    fakes = await bench.startTokenizers(3);
    publishers = [];
    for (const _ of fakes) publishers.push(await FakePublisher.bind());
    for (const publisher of publishers) bench.atEnd(() => publisher.close());
    const pods = fakes.map(({ pod }, i) => ({
      ...{ name: pod.name, address: pod.ip, port: pod.port, model: MODEL, aliases: ['tuned'] },
      kvEvents: { port: publishers[i]!.port },
    }));
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
  });
  afterEach(() => bench.stop());

  async function start(environment: Environment = {}): Promise<void> {
    served = await bench.start({ ...QUIET, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0', ...environment });
    await Promise.all(publishers.map(each => each.joined()));
  }

  /** One request, which is under way until it is ended. */
  async function ask(prompt = PROMPT, given: object = {}, headers: Readonly<Record<string, string>> = {}) {
    const stream = served.envoy
      .open()
      .send(requestHeaders({ headers: { ':path': '/v1/completions', ...headers } }));
    await stream.reply();
    const body = JSON.stringify({ model: MODEL, prompt, ...given });
    const reply = await stream.send(requestBody(body, 'end')).reply();
    const address = headersSet(reply.request_body?.response?.header_mutation).get('target-pod');
    const pod = fakes.findIndex(each => `127.0.0.1:${each.pod.port}` === address);
    return { pod, end: () => stream.halfClose() };
  }

  async function lastDecision(): Promise<DecisionRecord> {
    const { text } = await adminPage(served.server, '/debug/decisions?limit=1');
    return (JSON.parse(text) as { decisions: DecisionRecord[] }).decisions[0]!;
  }

  /** Milliseconds per pod that the last decision was made by, in the order of the pods. */
  async function costs(): Promise<number[]> {
    const { candidates } = await lastDecision();
    return fakes.map(({ pod }) => candidates.find(each => each.pod === pod.name)!.score!);
  }

  /** The engine of this pod announces the blocks of the prompt that was tokenized last, and `more` of them. */
  async function announce(
    pod: number,
    given: Record<string, unknown> = {},
    more: (hashes: readonly number[]) => readonly object[] = () => [],
  ): Promise<void> {
    const asked = fakes.flatMap(({ requests }) => requests.filter(({ path }) => path.endsWith('/render')));
    const ids = [...Buffer.from(asked.at(-1)!.text)];
    const blocks = Math.floor(ids.length / BLOCK);
    const hashes = Array.from({ length: blocks }, (_, i) => 1_000 + i);
    const event = storedMap({
      ...{ block_hashes: hashes, block_size: BLOCK },
      ...{ token_ids: ids.slice(0, blocks * BLOCK), extra_keys: null, ...given },
    });
    await publishers[pod]!.publish(batchOf(event, ...more(hashes)));
    await eventually('its event has been applied', async () => {
      const { text } = await adminPage(served.server, '/metrics');
      return text.includes(`warmroute_kv_events_total{pod="${fakes[pod]!.pod.name}",outcome="stored"}`);
    });
  }

  /** Under which of its costs a prompt is asked for that one pod holds, here or there. */
  async function costOfHeldAt(medium: string, environment: Environment): Promise<number> {
    await start(environment);
    const first = await ask();
    await first.end();
    await announce(1, {}, block_hashes => [
      storedMap({ block_hashes, block_size: 0, token_ids: [], extra_keys: null, medium }),
      { type: 'BlockRemoved', block_hashes, medium: 'GPU', group_idx: 0 },
    ]);
    const second = await ask();
    await second.end();
    return (await costs())[1]!;
  }

  it('is the default with KV-cache events, and AIBrix’s own is what it was', async () => {
    await start();
    await (await ask()).end();
    assert.equal((await lastDecision()).strategy, 'prefix-cost');
    const without = await bench.start({ ...QUIET, AIBRIX_KV_EVENT_SYNC_ENABLED: 'false' });
    served = without;
    await (await ask()).end();
    assert.equal((await lastDecision()).strategy, 'prefix-cache');
  });

  it('sends siblings to a warm pod that is idle but for the first of them', async () => {
    await start();
    const first = await ask();
    await first.end();
    const warm = (first.pod + 1) % 3;
    await announce(warm);
    const others = [await ask(`${PROMPT}and then?`), await ask(`${PROMPT}and then?`)];
    const { policy, reason } = await lastDecision();
    assert.equal(reason, 'prefix_match');
    assert.match(policy.join(' '), /The least, [\d.]+ ms, is expected of /);
    assert.deepEqual(
      others.map(({ pod }) => pod),
      [warm, warm],
    );
    for (const each of others) await each.end();
  });

  it('counts what waits at a pod until its engine announces it, or its request ends', async () => {
    await start();
    const first = await ask();
    const queued = async () => {
      await (await ask('something else')).end();
      const { candidates } = await lastDecision();
      return candidates.find(({ pod }) => pod === fakes[first.pod]!.pod.name)!.verdict;
    };
    assert.match(await queued(), /ms, \d{4} tokens queued$/);
    const other = await ask(PROMPT.replaceAll('story', 'truth'));
    assert.notEqual(other.pod, first.pod);
    await announce(other.pod);
    assert.notMatch(
      (await lastDecision()).candidates.find(({ pod }) => pod === fakes[other.pod]!.pod.name)!.verdict,
      /tokens queued/,
    );
    await first.end();
    await other.end();
    await eventually('nothing waits', async () => !(await queued()).includes('queued'));
  });

  it('works without events, by where prompts went and what has not ended', async () => {
    served = await bench.start({
      ...{ ...QUIET, AIBRIX_KV_EVENT_SYNC_ENABLED: 'false', ROUTING_ALGORITHM: 'prefix-cost' },
    });
    const first = await ask();
    const again = await ask();
    assert.equal(again.pod, first.pod);
    const { reason, candidates } = await lastDecision();
    assert.equal(reason, 'prefix_match');
    assert.match(candidates[0]!.verdict, /^soonest: .* tokens queued$/);
    const other = await ask(PROMPT.replaceAll('story', 'truth'));
    assert.notEqual(other.pod, first.pod, 'where nothing is queued');
    for (const each of [first, again, other]) await each.end();
  });

  it('stands in a list with session-affinity, which keeps a session where that costs little more', async () => {
    await start({ ROUTING_ALGORITHM: 'session-affinity,prefix-cost:3' });
    const at = fakes[2]!.pod;
    const session = Buffer.from(`127.0.0.1:${at.port}`).toString('base64');
    const kept = await ask(PROMPT, {}, { 'x-session-id': session });
    assert.equal(kept.pod, 2);
    // The session’s pod has a whole prompt queued now, and costs twice as much.
    const left = await ask(PROMPT.replaceAll('story', 'truth'), {}, { 'x-session-id': session });
    assert.notEqual(left.pod, 2);
    for (const each of [kept, left]) await each.end();
  });

  it('counts what others have sent there, as the engine says', async () => {
    for (const [i, waiting] of [0, 5, 0].entries())
      fakes[i]!.metrics = `vllm:num_requests_running 1\nvllm:num_requests_waiting ${waiting}\n`;
    await start({ WARMROUTE_METRICS_INTERVAL_MS: '20' });
    await eventually('the second pod costs more', async () => {
      await (await ask()).end();
      const [first, second] = await costs();
      return second! > 2 * first!;
    });
  });

  for (const [name, other] of [
    ['WARMROUTE_RECOMPUTE_PRICE', 'WARMROUTE_SATURATION_PRICE'],
    ['WARMROUTE_SATURATION_PRICE', 'WARMROUTE_RECOMPUTE_PRICE'],
  ] as const) {
    it(`${name} is what computing a token counts for where others wait`, async () => {
      for (const [price, expected] of [
        ['0', /Computing a token costs others nothing/],
        ['50', /counts \d+(\.\d+)? times/],
      ] as const) {
        await start({ [name]: price, [other]: '0' });
        const all = [];
        for (let i = 0; i < 6; i++) all.push(await ask(`${i} ${PROMPT}`));
        assert.match((await lastDecision()).policy.join(' '), expected);
        for (const each of all) await each.end();
        await served.server.stop();
      }
    });
  }

  it('WARMROUTE_DECODE_COST_TOKENS is what a request that decodes costs, in prompt tokens', async () => {
    await start({ WARMROUTE_DECODE_COST_TOKENS: '70000' });
    const first = await ask();
    await announce(first.pod);
    await (await ask('something else')).end();
    const all = await costs();
    const other = all[(first.pod + 1) % 3]!;
    // The last, partly filled block is not waited for.
    assert.closeTo(all[first.pod]! - other, 7_000, 5);
    await first.end();
  });

  for (const [name, medium] of [
    ['WARMROUTE_CPU_LOAD_PERCENT', 'CPU'],
    ['WARMROUTE_STORAGE_LOAD_PERCENT', 'STORAGE'],
  ] as const) {
    it(`${name} is what a token there costs`, async () => {
      const free = await costOfHeldAt(medium, { [name]: '0' });
      await served.server.stop();
      const dear = await costOfHeldAt(medium, { [name]: '100' });
      assert.isAbove(dear, 10 * free);
    });
  }

  it('WARMROUTE_ADAPTER_LOAD_MS is what an adapter costs where no request has it', async () => {
    for (const [i, adapters] of ['tuned', '', ''].entries())
      fakes[i]!.metrics =
        'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n' +
        `vllm:lora_requests_info{max_lora="2",running_lora_adapters="${adapters}",waiting_lora_adapters=""} 1\n`;
    await start({ WARMROUTE_METRICS_INTERVAL_MS: '20', WARMROUTE_ADAPTER_LOAD_MS: '7000' });
    await announce0();
    await eventually('the adapter is weighed', async () => {
      await (await ask(PROMPT, { model: 'tuned' })).end();
      const [first, second] = await costs();
      return second! - first! === 7_000;
    });

    /** By its events an engine shows that the name is an adapter's. */
    async function announce0() {
      await (await ask()).end();
      await announce(0, { lora_name: 'tuned', lora_id: 1 });
    }
  });
});
