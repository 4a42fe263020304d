/** Health through the whole program: what pods answer to polls, and what its exchanges show, changes where requests go. */
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { Pod } from '../src/domain.ts';
import { requestBody, requestHeaders, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { FakeEnvoy } from './support/fake-envoy.ts';
import { freePort } from './support/free-port.ts';
import { type Program, startProgram } from './support/program.ts';
import { type AnswerTo, answerBriefly, startTinyPod, type TinyPod } from './support/tiny-pod.ts';

const POLLED_OFTEN: Environment = { WARMROUTE_HEALTH_INTERVAL_MS: '50' };
const NOT_POLLED: Environment = { WARMROUTE_HEALTH_INTERVAL_MS: '0' };
const PROMPT = 'What a long story this is. '.repeat(8);

describe('serve() with pods that fail', function () {
  this.timeout(20_000);
  let pods: TinyPod[];
  let program: Program;
  let envoy: FakeEnvoy;
  /** What `GET` of these paths answers, by the pod's name. */
  let pages: Record<string, Record<string, AnswerTo>>;

  beforeEach(async () => {
    pages = {};
    pods = [];
    for (const name of ['pod-0', 'pod-1']) {
      pods.push(
        await startTinyPod(name, answerBriefly, (received, response) =>
          (pages[name]?.[received.path] ?? answerBriefly)(received, response),
        ),
      );
    }
  });
  afterEach(async () => {
    envoy.close();
    await program.stop();
    await Promise.all(pods.map(pod => pod.stop()));
  });

  async function start(
    environment: Environment,
    all: readonly Pod[] = pods.map(({ pod }) => pod),
  ): Promise<void> {
    program = await startProgram({
      pods: all,
      environment: { WARMROUTE_DEBUG_HEADERS: 'true', ...environment },
    });
    envoy = new FakeEnvoy(program.grpcPort);
  }

  const status =
    (code: number, content = ''): AnswerTo =>
    (_, response) => {
      response.statusCode = code;
      response.end(content);
    };

  async function debugPods(): Promise<Record<string, Record<string, unknown>>> {
    const response = await fetch(`http://127.0.0.1:${program.adminPort}/debug/pods`);
    const { pods } = (await response.json()) as { pods: { pod: string }[] };
    return Object.fromEntries(pods.map(pod => [pod.pod, pod]));
  }

  const healthOf = async (pod: string) => (await debugPods())[pod]?.health;

  /** Sends one request and returns who was picked, and why; the response has this status, or never comes. */
  async function ask(answer?: number, prompt = PROMPT, headers: Record<string, string> = {}) {
    const stream = envoy.open().send(
      requestHeaders({
        headers: { ':path': '/v1/completions', ...headers },
        config: { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' },
      }),
    );
    const first = await stream.reply();
    stream.send(requestBody(JSON.stringify({ model: 'demo', prompt }), 'end'));
    const { dynamic_metadata, immediate_response } = await stream.reply();
    if (answer !== undefined) {
      stream.send(responseHeaders(answer));
      await stream.reply();
    }
    await stream.halfClose();
    const told = dynamic_metadata?.fields?.warmroute as unknown as Told | undefined;
    return {
      pod: told?.structValue.fields.pod.stringValue,
      reason: told?.structValue.fields.decision.stringValue,
      status: immediate_response?.status?.code as unknown,
      isWatched: first.mode_override?.response_header_mode === 'SEND',
    };
  }

  it('WARMROUTE_HEALTH_INTERVAL_MS: how often pods are asked for /health, and who fails is not picked', async () => {
    pages['pod-0'] = { '/health': status(503) };
    await start(POLLED_OFTEN);
    await eventually('it fails', async () => (await healthOf('pod-0')) === 'failing');
    for (let i = 0; i < 8; i++) assert.equal((await ask(200)).pod, 'pod-1');
    assert.deepInclude((await debugPods())['pod-0'], {
      endpoint: pods[0]!.address,
      model: 'demo',
      why: `GET http://${pods[0]!.address}/health answered 503`,
      inFlight: 0,
      requestsSeen: 0,
    });
    assert.deepInclude((await debugPods())['pod-1'], {
      health: 'healthy',
      requestsSeen: 8,
      requestsFailed: 0,
    });
    pages = {};
    await eventually('it is tried, and well', async () => {
      await ask(200);
      return (await healthOf('pod-0')) === 'healthy';
    });
  });

  it('WARMROUTE_HEALTH_INTERVAL_MS=0: no pod is asked, and responses tell who fails', async () => {
    await start(NOT_POLLED);
    const failing = (await ask(500)).pod!;
    // The same prompt goes there no more: nothing is expected of who failed it.
    const next = await ask(500, PROMPT);
    const [first, second] = await Promise.all([healthOf('pod-0'), healthOf('pod-1')]);
    assert.includeMembers(['unknown', 'failing'], [first, second]);
    assert.notEqual(next.reason, 'prefix_match');
    for (let i = 0; i < 4; i++) await ask(failing === 'pod-0' ? 500 : 200);
    assert.isEmpty(pods.flatMap(({ polls }) => polls));
  });

  it('goes to pods that all fail, by load', async () => {
    await start(NOT_POLLED);
    for (let i = 0; i < 12; i++) await ask(500, `${i} ${PROMPT}`);
    assert.deepEqual([await healthOf('pod-0'), await healthOf('pod-1')], ['failing', 'failing']);
    const { pod, reason, status } = await ask(500);
    assert.isDefined(pod);
    assert.deepEqual([reason, status], ['all_failing', undefined]);
  });

  it('asks Envoy for the responses of new pods, then of one request in eight, and of all while something is wrong', async () => {
    await start(NOT_POLLED);
    const watched = async (requests: number) => {
      let count = 0;
      for (let i = 0; i < requests; i++) if ((await ask(200)).isWatched) count++;
      return count;
    };
    assert.equal(await watched(32), 32);
    assert.equal(await watched(32), 4);
    let isFailing = false;
    while (!isFailing) isFailing = (await ask(500)).isWatched;
    assert.equal(await watched(4), 4);
  });

  it('does not pick a pod that sleeps, and drops what it held', async () => {
    const asleep = (is: boolean) => ({ '/is_sleeping': status(200, JSON.stringify({ is_sleeping: is })) });
    pages = { 'pod-0': asleep(false), 'pod-1': asleep(false) };
    await start(POLLED_OFTEN);
    const warm = (await ask(200)).pod!;
    assert.deepInclude(await ask(200), { pod: warm, reason: 'prefix_match' });
    pages[warm] = asleep(true);
    await eventually('it sleeps', async () => (await healthOf(warm)) === 'sleeping');
    for (let i = 0; i < 4; i++) assert.notEqual((await ask(200, `${i} ${PROMPT}`)).pod, warm);
    pages[warm] = asleep(false);
    await eventually('it is awake', async () => (await healthOf(warm)) === 'healthy');
    assert.equal((await ask(200)).reason, 'no_match');
  });

  it('names a pod that does not answer within 10 s, with what was tried', async () => {
    const port = await freePort();
    const dead = { ...pods[0]!.pod, name: 'dead', port };
    await start({}, [dead, pods[1]!.pod]);
    const line = await eventually('it is named', () =>
      program.logLines.find(({ level, fields }) => level === 'warn' && fields.pod === 'dead'),
    );
    assert.equal(line.fields.why, `GET http://127.0.0.1:${port}/health: nothing listens there`);
    await eventually('it fails', async () => (await healthOf('dead')) === 'failing');
  });

  it('names it, too, where no pod answers: then nobody counts as failing for it', async () => {
    const port = await freePort();
    const dead = { ...pods[0]!.pod, name: 'dead', port };
    await start({}, [dead]);
    const line = await eventually('it is named', () =>
      program.logLines.find(({ level, fields }) => level === 'warn' && fields.pod === 'dead'),
    );
    assert.equal(line.message, 'pod does not answer');
    assert.equal(await healthOf('dead'), 'unknown');
  });

  it('names the event and replay ports that nothing answers on', async () => {
    const [port, replayPort] = [await freePort(), await freePort()];
    const pod: Pod = { ...pods[0]!.pod, kvEvents: { kind: 'zmq', port, replayPort, ranks: 1 } };
    await start({ AIBRIX_USE_REMOTE_TOKENIZER: 'true', AIBRIX_KV_EVENT_SYNC_ENABLED: 'true' }, [pod]);
    const tried = await eventually('both are named', () => {
      const lines = program.logLines.filter(({ level, fields }) => level === 'warn' && fields.tried);
      return lines.length === 2 && lines.map(({ fields }) => `${fields.pod} ${fields.port} ${fields.tried}`);
    });
    assert.sameMembers(tried, [
      `pod-0 events tcp://127.0.0.1:${port}`,
      `pod-0 replay tcp://127.0.0.1:${replayPort}`,
    ]);
    const { ports } = (await debugPods())['pod-0'] as unknown as { ports: { answers: boolean }[] };
    assert.deepEqual(
      ports.map(({ answers }) => answers),
      [false, false],
    );
  });

  it('goes only to pods with the labels that a request wants', async () => {
    const labelled = pods.map(({ pod }, i) => ({ ...pod, labels: { tenant: ['red', 'blue'][i]! } }));
    await start(NOT_POLLED, labelled);
    for (let i = 0; i < 6; i++) {
      assert.equal((await ask(200, PROMPT, { 'external-filter': 'tenant=blue' })).pod, 'pod-1');
    }
    assert.deepInclude(await ask(undefined, PROMPT, { 'external-filter': 'tenant=green' }), {
      status: 'ServiceUnavailable',
    });
    assert.deepInclude(await ask(undefined, PROMPT, { 'external-filter': 'tenant in' }), {
      status: 'BadRequest',
    });
  });
});

interface Told {
  readonly structValue: {
    readonly fields: Readonly<Record<'pod' | 'decision', { readonly stringValue: string }>>;
  };
}
