/** WARMROUTE_ZONE and WARMROUTE_ZONE_PENALTY_MS through the whole server: who is picked, and what becomes of it when a zone fails. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { DecisionRecord } from '../src/explain/record.ts';
import { requestBody, requestHeaders, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { adminPage, MODEL, ServeBench, type Served } from './support/serve-bench.ts';
import { answerBriefly, startTinyPod, type TinyPod } from './support/tiny-pod.ts';

/** Of the pods. */
const ZONES = ['a', 'a', 'a', 'b', 'b', 'c', undefined] as const;
const LONG_PROMPT = 'the whole story of how it came about, '.repeat(200);
const NOT_POLLED: Environment = { ROUTING_ALGORITHM: 'prefix-cost', WARMROUTE_HEALTH_INTERVAL_MS: '0' };

describe('serve() with pods in several zones', function () {
  this.timeout(30_000);
  let bench: ServeBench;
  let pods: { readonly name: string; readonly zone: string | undefined; readonly tiny: TinyPod }[];
  /** Those that answer 503 to `GET /health`. */
  let failing: Set<string>;
  let served: Served;
  let count = 0;

  beforeEach(async () => {
    bench = await ServeBench.open();
    failing = new Set();
    pods = [];
    for (const [i, zone] of ZONES.entries()) {
      const name = `pod-${i}`;
      const tiny = await startTinyPod(name, answerBriefly, (received, response) => {
        if (received.path === '/health' && failing.has(name)) response.statusCode = 503;
        response.end('{}');
      });
      bench.atEnd(() => tiny.stop());
      pods.push({ name, zone, tiny });
    }
    await writePods('a', 'b');
  });
  afterEach(() => bench.stop());

  const inZone = (zone: string | undefined) => pods.filter(each => each.zone === zone);
  const namesIn = (zone: string) => inZone(zone).map(({ name }) => name);

  /** Makes those in these zones all that there are. */
  function writePods(...zones: readonly (string | undefined)[]): Promise<void> {
    const entries = zones.flatMap(inZone).map(({ name, zone, tiny: { pod } }) => {
      return { name, address: pod.ip, port: pod.port, model: MODEL, labels: { in: zone ?? '' }, zone };
    });
    return writeFile(bench.podsFile, JSON.stringify({ pods: entries }));
  }

  async function start(environment: Environment = {}): Promise<void> {
    served = await bench.start({ ...NOT_POLLED, ...environment });
  }

  /** One request, of which nothing is answered yet. */
  async function send(prompt: string, headers: Record<string, string>) {
    const stream = served.envoy.open().send(
      requestHeaders({
        headers: { ':path': '/v1/completions', ...headers },
        config: { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' },
      }),
    );
    await stream.reply();
    await stream.send(requestBody(JSON.stringify({ model: MODEL, prompt }), 'end')).reply();
    return stream;
  }

  /** One request that nobody has asked before, unless it is given, and that is served. */
  async function ask(prompt = `${count++} ${LONG_PROMPT}`, headers: Record<string, string> = {}) {
    const stream = await send(prompt, headers);
    await stream.send(responseHeaders(200)).reply();
    await stream.halfClose();
    return lastDecision();
  }

  async function lastDecision(): Promise<DecisionRecord> {
    const { text } = await adminPage(served.server, '/debug/decisions?limit=1');
    return (JSON.parse(text) as { decisions: DecisionRecord[] }).decisions[0]!;
  }

  async function zonesOf(requests: number): Promise<(string | undefined)[]> {
    const zones = new Set<string | undefined>();
    for (let i = 0; i < requests; i++) {
      const { pod } = await ask();
      zones.add(pods.find(({ name }) => name === pod)!.zone);
    }
    return [...zones];
  }

  interface ShownPod {
    readonly pod: string;
    readonly zone?: string;
    readonly health: string;
  }

  async function shownPods(): Promise<readonly ShownPod[]> {
    const { text } = await adminPage(served.server, '/debug/pods');
    return (JSON.parse(text) as { pods: readonly ShownPod[] }).pods;
  }

  /** What each pod of the last decision cost, by its name. */
  async function costs(): Promise<Record<string, number>> {
    const { candidates } = await ask('short');
    return Object.fromEntries(candidates.map(({ pod, score }) => [pod, score!]));
  }

  it('WARMROUTE_ZONE is where requests stay, as long as nothing speaks for another zone', async () => {
    await writePods('a', 'b', 'c');
    await start({ WARMROUTE_ZONE: 'b' });
    assert.deepEqual(await zonesOf(12), ['b']);
    const { text } = await adminPage(served.server, '/metrics');
    assert.include(text, `warmroute_zone_picks_total{model="${MODEL}",zone="own"} 12\n`);
    assert.deepEqual(
      (await shownPods()).map(({ zone }) => zone),
      ['a', 'a', 'a', 'b', 'b', 'c'],
    );
  });

  it('leaves the zone for a prompt that is warm elsewhere', async () => {
    await start({ WARMROUTE_ZONE: 'a' });
    const elsewhere = await ask(LONG_PROMPT, { 'external-filter': 'in=b' });
    const { pod, reason, policy } = await ask(LONG_PROMPT);
    assert.deepEqual([pod, reason], [elsewhere.pod, 'prefix_match']);
    assert.include(policy, `A pod in another zone than the router costs 10 ms more: ${pod} is in b.`);
    const { text } = await adminPage(served.server, '/metrics');
    assert.include(text, `warmroute_zone_picks_total{model="${MODEL}",zone="other"} 2\n`);
  });

  for (const [penaltyMs, expected] of [
    ['7000', 7_000],
    ['0', 0],
  ] as const) {
    it(`WARMROUTE_ZONE_PENALTY_MS=${penaltyMs} is what another zone costs, and one that is not known costs nothing`, async () => {
      await writePods('a', 'b', undefined);
      await start({ WARMROUTE_ZONE: 'a', WARMROUTE_ZONE_PENALTY_MS: penaltyMs });
      const { 'pod-0': own, 'pod-3': other, 'pod-6': unknown } = await costs();
      assert.closeTo(other! - own!, expected, 1e-6);
      assert.equal(unknown, own);
    });
  }

  it('does not look at zones without WARMROUTE_ZONE, and says so', async () => {
    await start();
    const all = await costs();
    assert.lengthOf(new Set(Object.values(all)), 1);
    const { text } = await adminPage(served.server, '/metrics');
    assert.include(text, `warmroute_zone_picks_total{model="${MODEL}",zone="unknown"} 1\n`);
    const said = served.lines.filter(({ message }) => message.includes('WARMROUTE_ZONE is not set'));
    assert.lengthOf(said, 1);
    assert.equal(said[0]!.level, 'warn');
  });

  it('names a pod of another zone among those that are tried next, though all there have more to do', async () => {
    await start({ WARMROUTE_ZONE: 'a' });
    const busy = await Promise.all(
      ['x', 'y', 'z', 'w'].map(prompt => send(prompt, { 'external-filter': 'in=b' })),
    );
    const { retries } = await ask();
    assert.isTrue(namesIn('a').includes(retries![0]!));
    assert.isTrue(namesIn('b').includes(retries![1]!));
    for (const each of busy) await each.halfClose();
  });

  it('goes to the other zones at once when all of the own one fail, and comes back', async () => {
    await start({ WARMROUTE_ZONE: 'a', WARMROUTE_HEALTH_INTERVAL_MS: '50' });
    assert.deepEqual(await zonesOf(4), ['a']);
    for (const name of namesIn('a')) failing.add(name);
    await eventually('they fail', async () => {
      const states = (await shownPods()).filter(({ zone }) => zone === 'a').map(({ health }) => health);
      return states.every(health => health === 'failing');
    });
    assert.deepEqual(await zonesOf(6), ['b']);
    failing.clear();
    await eventually('they are tried, and well', async () => {
      await ask();
      return (await shownPods()).every(({ health }) => health === 'healthy');
    });
    assert.deepEqual(await zonesOf(6), ['a']);
  });

  it('goes to the other zones when the own one is gone, and comes back', async () => {
    await start({ WARMROUTE_ZONE: 'a' });
    const said = (what: string) =>
      eventually(what, () => served.lines.some(({ message }) => message.includes(what)));
    assert.deepEqual(await zonesOf(4), ['a']);
    await writePods('b', 'c');
    await said('no pod that may be picked is in WARMROUTE_ZONE');
    assert.notInclude(await zonesOf(6), 'a');
    await writePods('a', 'b', 'c');
    await said('zones matter again');
    assert.deepEqual(await zonesOf(6), ['a']);
  });
});
