/** Each problem of a pod, found at an engine that has just this fault. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { assert } from 'chai';
import { blockSizes, createTokenizer } from '../../src/composition/tokenizing.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { examinePod, type PodExamination, type PodTiming } from '../../src/doctor/pods/examine-pod.ts';
import { findingsOfPod } from '../../src/doctor/pods/pod-checks.ts';
import { POD_PROBLEMS } from '../../src/doctor/pods/problems.ts';
import type { Pod } from '../../src/domain.ts';
import type { EngineOptions } from '../../src/simulator/engine.ts';
import { Slots } from '../../src/slots.ts';
import { aConfig } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { WITH_EVENTS } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { changing, HANGING, type IllAnswer, refusing, startIllEngine } from '../support/ill-engine.ts';
import { batchOf, pack, storedMap } from '../support/kv-events.ts';

const config = aConfig(WITH_EVENTS);

const HOW: PodExamination = {
  ...{ scheme: 'http', trust: { kind: 'system' }, apiKey: undefined, prompts: 'send' },
  events: { kind: 'dial', topic: '' },
  tokenizer: observed => createTokenizer(config, { apiKey: undefined, ca: undefined }, observed),
  defaultBlockSizeTokens: blockSizes(config),
  timing: { questionMs: 30_000, connectMs: 30_000, generationMs: 30_000, eventsMs: 30_000 },
};

/** For engines that do not answer, or announce nothing: that is waited for. */
const soon = (...what: readonly (keyof PodTiming)[]): Partial<PodExamination> => ({
  timing: { ...HOW.timing, ...Object.fromEntries(what.map(each => [each, 500])) },
});

interface Illness {
  readonly answers?: Readonly<Record<string, IllAnswer>>;
  readonly options?: Partial<EngineOptions>;
  /** What its entry says instead. */
  readonly entry?: (pod: Pod, later: (stop: () => unknown) => void) => Partial<Pod> | Promise<Partial<Pod>>;
  readonly how?: Partial<PodExamination>;
  readonly decisionTimeoutMs?: number;
  readonly finds: readonly (keyof typeof POD_PROBLEMS)[];
}

type Zmq = Extract<Pod['kvEvents'], { kind: 'zmq' }>;

/** With other places of its events. */
const publishing = (given: Partial<Zmq>) => (pod: Pod) => ({
  kvEvents: { ...(pod.kvEvents as Zmq), ...given },
});

/** A publisher in place of the engine's, which sends this payload to whoever joins. */
const published =
  (payload: Buffer | undefined): NonNullable<Illness['entry']> =>
  async (pod, later) => {
    const publisher = await FakePublisher.bind();
    const sent = publisher.joined().then(async () => {
      if (payload !== undefined) await publisher.publish(payload);
    });
    later(async () => {
      await sent;
      await publisher.close();
    });
    return publishing({ port: publisher.port, replayPort: undefined })(pod);
  };

/** Greets with these bytes, and goes on listening. */
async function garbagePort(later: (stop: () => unknown) => void, greeting: string): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(greeting);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  later(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

/** A free port, and nobody ever listens on the one behind it. */
async function portBeforeFreeOne(): Promise<number> {
  for (;;) {
    const [port, next] = [await freePort(), await freePort()];
    if (next === port + 1) return port;
  }
}

/** Of the one engine that does so. */
let onTheMoon: { readonly publisher: FakePublisher; readonly port: number };

/** Announces the prompt's own tokens, on a medium that is not known. */
const answering: IllAnswer = async ({ body }, response) => {
  const { model, prompt } = JSON.parse(body);
  const tokenized = await fetch(`http://127.0.0.1:${onTheMoon.port}/tokenize`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt }),
  });
  const { tokens } = (await tokenized.json()) as { tokens: number[] };
  const token_ids = tokens.slice(0, 64);
  const event = storedMap({ block_hashes: [1, 2, 3, 4], token_ids, block_size: 16, medium: 'MOON' });
  await onTheMoon.publisher.publish(batchOf(event));
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
};

const ILLNESSES: Readonly<Record<string, Illness>> = {
  'nothing listens': {
    entry: async () => ({ port: await freePort() }),
    how: soon('eventsMs'),
    finds: ['http_refused'],
  },
  'it hangs': {
    answers: { '/health': HANGING },
    how: soon('questionMs', 'eventsMs'),
    finds: ['http_silent'],
  },
  'its core is dead': { answers: { '/health': refusing(503) }, finds: ['unhealthy'] },
  'something hides its health': { answers: { '/health': refusing(404) }, finds: ['no_health'] },
  'its clock is ahead': {
    answers: {
      '/health': (_, response) =>
        response.writeHead(200, { date: new Date(Date.now() + 60_000).toUTCString() }).end(),
    },
    finds: ['clock_differs'],
  },
  'it wants a key': { answers: { '/v1/models': refusing(401) }, finds: ['key_missing'] },
  'it wants another key': {
    answers: { '/v1/models': refusing(401) },
    how: { apiKey: 'secret-key' },
    finds: ['key_refused'],
  },
  'it is too old': { options: { version: '0.8.5' }, finds: ['version_limit'] },
  'it serves another model': { entry: () => ({ model: 'other' }), finds: ['model_not_served'] },
  'it serves no such alias': { entry: () => ({ aliases: ['fast'] }), finds: ['alias_not_served'] },
  'it serves an adapter that nobody knows': { options: { adapters: ['sql'] }, finds: ['adapter_not_named'] },
  'its entry has no events': {
    entry: () => ({ kvEvents: { kind: 'none' } }),
    finds: ['events_unconfigured'],
  },
  'its events are off': {
    options: { eventsPort: 'off' },
    entry: () => ({ kvEvents: { kind: 'auto' } }),
    finds: ['events_off'],
  },
  'its events are off, and its entry has a port': {
    options: { eventsPort: 'off' },
    entry: async () => ({
      kvEvents: { kind: 'zmq', port: await freePort(), replayPort: undefined, ranks: 1 },
    }),
    finds: ['events_off'],
  },
  'it cannot say where its events are': {
    options: { eventEncoding: 'array' },
    entry: () => ({ kvEvents: { kind: 'auto' } }),
    finds: ['events_unknown'],
  },
  'its event port is closed': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async pod => publishing({ port: await freePort() })(pod),
    finds: ['events_unreachable'],
  },
  'its event port is its HTTP port': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: pod => publishing({ port: pod.port })(pod),
    finds: ['events_not_zmq'],
  },
  'it says other ports': {
    answers: { '/kv_event_sources': changing(text => text.replaceAll(/tcp:\/\/\*:\d+/g, 'tcp://*:5557')) },
    finds: ['ports_differ'],
  },
  'it has more ranks': {
    answers: {
      '/kv_event_sources': changing(text => JSON.stringify({ ...JSON.parse(text), 1: JSON.parse(text)[0] })),
    },
    finds: ['ranks_missing'],
  },
  'it has fewer ranks': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async (pod, later) => {
      const publisher = await FakePublisher.bind(await portBeforeFreeOne());
      later(() => publisher.close());
      return publishing({ port: publisher.port, replayPort: undefined, ranks: 2 })(pod);
    },
    how: { prompts: 'leave_out', ...soon('eventsMs') },
    finds: ['events_unreachable', 'ranks_absent', 'replay_none'],
  },
  'it has no replay port': { entry: publishing({ replayPort: undefined }), finds: ['replay_none'] },
  'its replay port is closed': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async pod => publishing({ replayPort: await freePort() })(pod),
    how: soon('connectMs'),
    finds: ['replay_unreachable'],
  },
  'its prefix cache is off': {
    answers: { '/metrics': changing(text => text.replace('caching="True"', 'caching="False"')) },
    finds: ['prefix_caching_off'],
  },
  'its metrics say another block size': {
    answers: { '/metrics': changing(text => text.replace('block_size="16"', 'block_size="32"')) },
    finds: ['block_size_differs'],
  },
  'its blocks are large': { options: { blockSizeTokens: 528 }, finds: ['blocks_large'] },
  'nobody gives its tokens': {
    options: { render: 'off' },
    answers: { '/tokenize': refusing(404) },
    finds: ['tokens_none'],
  },
  'it answers no HTTP': {
    entry: async (_, later) => ({ port: await garbagePort(later, 'SSH-2.0-OpenSSH_9.9\r\n\r\n') }),
    how: soon('eventsMs'),
    finds: ['http_broken'],
  },
  'its event port greets otherwise': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async (pod, later) =>
      publishing({ port: await garbagePort(later, 'HTTP/1.1 400 Bad Request\r\n\r\n') })(pod),
    finds: ['events_not_zmq'],
  },
  'its event port says nothing at all': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async (pod, later) => publishing({ port: await garbagePort(later, '') })(pod),
    how: soon('connectMs'),
    finds: ['events_not_zmq'],
  },
  // Nobody listens there: libzmq takes up to 30 s to end a peer of the wrong kind.
  'its events and its replays have one port': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async pod => {
      const port = await freePort();
      return publishing({ port, replayPort: port })(pod);
    },
    finds: ['events_unreachable', 'ports_overlap'],
  },
  'its events are another rank’s': {
    entry: published(pack([1_700_000_000.25, [storedMap()], 3])),
    how: { prompts: 'leave_out' },
    answers: { '/kv_event_sources': refusing(404) },
    finds: ['rank_of_another', 'replay_none', 'block_size_differs'],
  },
  'its events cannot be read': {
    entry: published(Buffer.from('no events')),
    answers: { '/kv_event_sources': refusing(404) },
    how: soon('eventsMs'),
    finds: ['events_unreadable', 'replay_none'],
  },
  'its event port is a publisher that says nothing': {
    entry: published(undefined),
    answers: { '/kv_event_sources': refusing(404) },
    how: soon('eventsMs'),
    finds: ['events_silent', 'replay_none'],
  },
  'its events are another engine’s': {
    entry: published(
      batchOf(storedMap({ token_ids: Array.from({ length: 32 }, (_, i) => i), block_size: 16 })),
    ),
    answers: { '/kv_event_sources': refusing(404) },
    how: soon('eventsMs'),
    finds: ['replay_none', 'prompt_unannounced', 'prompt_unannounced'],
  },
  'its replays are another engine’s': {
    answers: { '/kv_event_sources': refusing(404) },
    entry: async (pod, later) => {
      const other = await startIllEngine();
      later(() => other.stop());
      return publishing({ replayPort: other.engine.replayPort })(pod);
    },
    finds: ['replay_foreign'],
  },
  'its blocks are on a medium that is not known': {
    answers: {
      '/kv_event_sources': refusing(404),
      '/v1/chat/completions': refusing(404),
      '/v1/completions': answering,
    },
    entry: async (pod, later) => {
      const publisher = await FakePublisher.bind();
      later(() => publisher.close());
      onTheMoon = { publisher, port: pod.port };
      return publishing({ port: publisher.port, replayPort: undefined })(pod);
    },
    how: soon('eventsMs'),
    finds: ['replay_none', 'chain_unknown'],
  },
  'its tokenizer is slow': { decisionTimeoutMs: 0.001, finds: ['tokens_slow'] },
  'it serves no prompts': {
    answers: { '/v1/chat/completions': refusing(500), '/v1/completions': refusing(500) },
    finds: ['prompt_refused', 'prompt_refused'],
  },
  'its chats are tokenized otherwise': {
    answers: {
      '/v1/chat/completions/render': changing(text => text.replace(/"token_ids":\[\d+/, '"token_ids":[7')),
    },
    how: soon('eventsMs'),
    finds: ['tokens_differ'],
  },
};

const WELL: Readonly<Record<string, Illness>> = {
  'an engine': { finds: [] },
  'one that publishes arrays': { options: { eventEncoding: 'array' }, finds: [] },
  'one that renders nothing': { options: { render: 'off' }, finds: [] },
  'one with an adapter': { options: { adapters: ['sql'] }, entry: () => ({ aliases: ['sql'] }), finds: [] },
  'one that is asked where it publishes': { entry: () => ({ kvEvents: { kind: 'auto' } }), finds: [] },
};

/** Each of them waits for what does not come: all at once, that is waited for once. */
const AT_ONCE = 12;

describe('warmroute doctor, of one pod', function () {
  this.timeout(60_000);
  const seen = new Map<string, Examined>();

  before(async () => {
    const slots = new Slots(AT_ONCE);
    const { signal } = new AbortController();
    const all = Object.entries({ ...WELL, ...ILLNESSES });
    await Promise.all(
      all.map(([what, illness]) => slots.run(signal, async () => seen.set(what, await examined(illness)))),
    );
  });

  for (const what of Object.keys(WELL)) {
    it(`finds nothing at ${what} that is well`, () => {
      const { findings, problems } = seen.get(what)!;
      assert.deepEqual(problems, [], JSON.stringify(findings, null, 1));
      const checks = findings.filter(({ status }) => status === 'ok').map(({ check }) => check);
      for (const check of [
        'http',
        'health',
        'clock',
        'api_key',
        'version',
        'models',
        'events_port',
        'events',
      ])
        assert.include(checks, check);
      for (const check of ['ranks', 'replay', 'blocks', 'tokens', 'parity']) assert.include(checks, check);
    });
  }

  for (const [what, { finds }] of Object.entries(ILLNESSES)) {
    it(`finds that ${what}: ${finds.join(', ')}`, () => {
      const { problems, findings } = seen.get(what)!;
      assert.deepEqual(problems, finds, JSON.stringify(findings, null, 1));
    });
  }

  it('has an engine for each problem of one pod', () => {
    const found = new Set(Object.values(ILLNESSES).flatMap(({ finds }) => finds));
    const ofOnePod = Object.keys(POD_PROBLEMS).filter(name => !OF_SEVERAL.includes(name));
    assert.sameMembers([...found], ofOnePod);
  });
});

/** They have tests of their own, in fleet.test.ts. */
const OF_SEVERAL: readonly string[] = [
  ...[
    'two_pods_one_address',
    'two_pods_one_event_port',
    'adapter_clash',
    'pods_tokenize_apart',
    'not_examined',
  ],
];

interface Examined {
  readonly findings: readonly Finding[];
  readonly problems: readonly string[];
}

async function examined(
  illness: Illness,
): Promise<{ findings: readonly Finding[]; problems: readonly string[] }> {
  const { pod, stop } = await startIllEngine(illness.answers, illness.options);
  const stops: (() => unknown)[] = [stop];
  try {
    const entry = await illness.entry?.(pod, each => stops.push(each));
    return await examinedAs({ ...pod, ...entry }, illness);
  } finally {
    for (const each of stops.reverse()) await each();
  }
}

async function examinedAs(pod: Pod, { how, decisionTimeoutMs = 60_000 }: Partial<Illness> = {}) {
  const facts = await examinePod(pod, { ...HOW, ...how }, new AbortController().signal);
  const findings = findingsOfPod(facts, { decisionTimeoutMs });
  return { findings, problems: findings.flatMap(finding => ('problem' in finding ? [finding.problem] : [])) };
}
