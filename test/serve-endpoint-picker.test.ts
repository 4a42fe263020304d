/**
 * Endpoint picker protocol v1.0.0 (Gateway API inference extension, proposal 004), point by point, through the whole server. The names are
 * those of the table in docs/endpoint-picker.md. `HERMETIC`: cases of llm-d's endpoint picker (test/integration/epp) that say something
 * about the protocol, and not about its scorers.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { WireRequest, WireResponse, WireValue } from '../src/extproc/wire.ts';
import {
  headersSet,
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
  responseTrailers,
} from './support/envoy-messages.ts';
import type { FakeEnvoy, FakeEnvoyStream } from './support/fake-envoy.ts';
import { ServeBench, type Served } from './support/serve-bench.ts';

const DESTINATION = 'x-gateway-destination-endpoint';
const SUBSET = 'x-gateway-destination-endpoint-subset';
const SERVED = 'x-gateway-destination-endpoint-served';
const PODS = ['192.168.1.1:8000', '192.168.1.2:8000', '192.168.1.3:8000'] as const;
const QUIET: Environment = {
  ...{ WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_DRAIN_BODIES_MS: '0' },
  ROUTING_ALGORITHM: 'least-request',
};
const FULL_DUPLEX = {
  request_body_mode: 'FULL_DUPLEX_STREAMED',
  response_body_mode: 'FULL_DUPLEX_STREAMED',
} as const;
const BODY = JSON.stringify({ max_tokens: 100, model: 'my-model', prompt: 'test', temperature: 0 });

let bench: ServeBench;

/** Pods of one model, at these addresses. Nobody talks to them. */
async function start(environment: Environment = {}, addresses: readonly string[] = PODS): Promise<Served> {
  const pods = addresses.map((address, i) => {
    const [ip, port] = address.split(':');
    return { name: `pod-${i}`, address: ip, port: Number(port), model: 'my-model' };
  });
  await writeFile(bench.podsFile, JSON.stringify({ pods }));
  return bench.start({ ...QUIET, ...environment });
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly subset?: WireValue;
  /** The last of them ends the body; none: the request has none. */
  readonly chunks?: readonly (string | Buffer)[];
}

const list = (...addresses: readonly string[]): WireValue => ({
  listValue: { values: addresses.map(stringValue => ({ stringValue })) },
});

/** What a gateway sends of a request, all at once. */
function messagesOf({ headers = {}, subset, chunks = [BODY] }: Asked): WireRequest[] {
  const first = requestHeaders({
    headers: { ':path': '/v1/completions', ...headers },
    config: FULL_DUPLEX,
    endOfStream: chunks.length === 0,
  });
  const metadata_context = subset && {
    filter_metadata: { 'envoy.lb.subset_hint': { fields: { [SUBSET]: subset } } },
  };
  const bodies = chunks.map((chunk, i) => requestBody(chunk, i === chunks.length - 1 ? 'end' : undefined));
  return [{ ...first, ...(metadata_context && { metadata_context }) }, ...bodies];
}

interface Picked {
  readonly stream: FakeEnvoyStream;
  readonly first: WireResponse;
  /** The destination as the header and the metadata say, which are compared. */
  readonly destination: string;
  /** The body as it goes on. */
  readonly body: Buffer;
}

async function pick(envoy: FakeEnvoy, asked: Asked = {}): Promise<Picked> {
  const stream = envoy.open().send(...messagesOf(asked));
  const first = await stream.reply();
  assert.isUndefined(first.immediate_response, String(first.immediate_response?.body));
  const { header_mutation, clear_route_cache } = first.request_headers!.response!;
  assert.isTrue(clear_route_cache, 'the gateway chooses its route again');
  const destination = headersSet(header_mutation).get(DESTINATION);
  const lb = first.dynamic_metadata?.fields?.['envoy.lb'] as {
    structValue: { fields: Record<string, WireValue> };
  };
  assert.deepInclude(lb.structValue.fields[DESTINATION], { stringValue: destination ?? '' });
  const body = asked.chunks?.length === 0 ? Buffer.alloc(0) : await bodyOf(stream, 'request_body');
  return { stream, first, destination: destination!, body };
}

/** What goes on in streamed responses, until its end. */
async function bodyOf(stream: FakeEnvoyStream, phase: 'request_body' | 'response_body'): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    const { body, isLast } = partIn(await stream.reply(), phase);
    parts.push(body);
    if (isLast) return Buffer.concat(parts);
  }
}

function partIn(reply: WireResponse, phase: 'request_body' | 'response_body') {
  const part = reply[phase]?.response?.body_mutation?.streamed_response;
  assert.isDefined(part, `a reply to a ${phase}`);
  const { body = Buffer.alloc(0), end_of_stream: isLast = false } = part!;
  assert.isAtMost(body.length, 62_000);
  return { body, isLast };
}

/** The status by its number or its name, as the library tells it; and the error in the body. */
async function refusal(envoy: FakeEnvoy, asked: Asked) {
  const stream = envoy.open().send(...messagesOf(asked));
  const { immediate_response: answer } = await stream.reply();
  assert.isDefined(answer);
  return {
    status: String(answer?.status?.code),
    headers: headersSet(answer?.headers),
    body: JSON.parse(String(answer?.body)) as unknown,
  };
}

/** Gives each pod so many requests that have not ended. */
async function busy(envoy: FakeEnvoy, queues: readonly number[]): Promise<void> {
  for (const [i, queue] of queues.entries()) {
    for (let n = 0; n < queue; n++) await pick(envoy, { subset: list(PODS[i]!) });
  }
}

/** Requests in flight on each pod. */
async function inFlight({ server }: Served): Promise<number[]> {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}/debug/pods`);
  return ((await response.json()) as { pods: { inFlight: number }[] }).pods.map(pod => pod.inFlight);
}

function servedBy(endpoint: string, headers = responseHeaders()): WireRequest {
  const fields = { [SERVED]: { stringValue: endpoint } };
  return { ...headers, metadata_context: { filter_metadata: { 'envoy.lb': { fields } } } };
}

const POINTS: Readonly<Record<string, () => Promise<void>>> = {
  async 'destination header and metadata'() {
    const { envoy } = await start();
    const { destination, first } = await pick(envoy);
    assert.include(PODS, destination as (typeof PODS)[number]);
    const { set_headers } = first.request_headers!.response!.header_mutation!;
    // Every value is in the field that Envoy reads.
    assert.isTrue(set_headers!.every(({ header }) => header!.raw_value!.length > 0));
    assert.equal(headersSet(first.request_headers!.response!.header_mutation).get('target-pod'), destination);
  },

  async 'subset as a list'() {
    const { envoy } = await start();
    for (const address of PODS) {
      assert.equal((await pick(envoy, { subset: list(address) })).destination, address);
    }
  },

  async 'subset as a text'() {
    const { envoy } = await start();
    await busy(envoy, [2, 1, 0]);
    const subset = { stringValue: `${PODS[0]}, ${PODS[1]}` };
    assert.equal((await pick(envoy, { subset })).destination, PODS[1]);
  },

  async 'subset with ports'() {
    const ports = ['192.168.1.1:8000', '192.168.1.1:8001', '192.168.1.1:8002'];
    const { envoy } = await start({}, ports);
    for (const endpoint of ports) {
      assert.equal((await pick(envoy, { subset: list(endpoint) })).destination, endpoint);
    }
    assert.equal((await refusal(envoy, { subset: list('192.168.1.1:8003') })).status, 'ServiceUnavailable');
    // An address without a port means all of its ports.
    assert.include(ports, (await pick(envoy, { subset: list('192.168.1.1') })).destination);
  },

  async 'subset that is empty, or has no ready pod'() {
    const { envoy } = await start();
    for (const subset of [
      list(),
      { listValue: {} },
      { stringValue: '' },
      { numberValue: 1 },
      list('192.168.1.99:8000'),
    ] as const) {
      const { status, headers, body } = await refusal(envoy, { subset });
      assert.equal(status, 'ServiceUnavailable', JSON.stringify(subset));
      assert.equal(headers.get('content-type'), 'application/json');
      assert.nestedInclude(body as object, { 'error.type': 'overloaded_error' });
      assert.equal((await refusal(envoy, { subset, chunks: [] })).status, 'ServiceUnavailable');
    }
  },

  async 'no subset'() {
    const { envoy } = await start();
    const picked = new Set<string>();
    for (let i = 0; i < 3; i++) picked.add((await pick(envoy)).destination);
    assert.sameMembers([...picked], [...PODS]);
    // Only the gateway's metadata counts, not a client's header of that name.
    const forged = await pick(envoy, {
      headers: { [SUBSET]: '192.168.1.99:8000', [DESTINATION]: '10.0.0.1:1' },
    });
    assert.include(PODS, forged.destination as (typeof PODS)[number]);
    assert.includeMembers(
      [...forged.first.request_headers!.response!.header_mutation!.remove_headers!],
      [SUBSET, DESTINATION, SERVED],
    );
  },

  async 'fallbacks in order'() {
    const { envoy } = await start({ WARMROUTE_FALLBACK_ENDPOINTS: '3' });
    await busy(envoy, [1, 3, 2]);
    assert.equal((await pick(envoy)).destination, [PODS[0], PODS[2], PODS[1]].join());
    const subset = list(PODS[1], PODS[2]);
    assert.equal((await pick(envoy, { subset })).destination, [PODS[2], PODS[1]].join());
    assert.equal((await pick(envoy, { subset: list(PODS[1]) })).destination, PODS[1]);
  },

  async 'no ready pod'() {
    const { envoy } = await start({}, []);
    for (const chunks of [[BODY], []]) {
      assert.equal((await refusal(envoy, { chunks })).status, 'ServiceUnavailable');
    }
  },

  async 'a request that is dropped'() {
    const { envoy } = await start({ WARMROUTE_SHED_QUEUE: '1' });
    await busy(envoy, [1, 1, 1]);
    const headers = { 'x-gateway-inference-priority': '-1' };
    const dropped = await refusal(envoy, { headers });
    assert.equal(dropped.status, 'TooManyRequests');
    assert.equal(dropped.headers.get('retry-after'), '10');
    await pick(envoy);
  },

  async 'the endpoint that served'() {
    const served = await start({ WARMROUTE_TARGET_HEADERS: 'aibrix' });
    const { stream } = await pick(served.envoy, { subset: list(PODS[0], PODS[1]) });
    const [picked, other] = (await inFlight(served))[0] === 1 ? [0, 1] : [1, 0];
    stream.send(servedBy(PODS[other]!));
    const headers = headersSet((await stream.reply()).response_headers!.response!.header_mutation);
    assert.equal(headers.get('target-pod'), `pod-${other}`);
    assert.equal(headers.get('target-pod-ip'), PODS[other]);
    const counted = await inFlight(served);
    assert.deepEqual([counted[picked!], counted[other!]], [0, 1]);
    // What is no address says nothing.
    const garbled = await pick(served.envoy, { subset: list(PODS[2]) });
    garbled.stream.send(servedBy('pod-1'));
    const told = headersSet((await garbled.stream.reply()).response_headers!.response!.header_mutation);
    assert.equal(told.get('target-pod-ip'), PODS[2]);
    assert.equal((await inFlight(served))[2], 1);
  },

  async 'bodies in chunks, both ways'() {
    const { envoy } = await start();
    const long = Buffer.from(JSON.stringify({ model: 'my-model', prompt: 'x'.repeat(200_000) }));
    const cuts = [0, 1, 5_000, 70_000, 70_001, long.length];
    const chunks = cuts.slice(1).map((end, i) => long.subarray(cuts[i]!, end));
    const { stream, body } = await pick(envoy, { chunks });
    assert.isTrue(body.equals(long), 'as it was sent, and not written anew');
    stream.send(responseHeaders(), responseBody('data: 1\n\n'));
    assert.isDefined((await stream.reply()).response_headers);
    // Each part as it comes.
    const part = partIn(await stream.reply(), 'response_body');
    assert.deepEqual([String(part.body), part.isLast], ['data: 1\n\n', false]);
    stream.send(responseBody(long, 'end'));
    assert.isTrue((await bodyOf(stream, 'response_body')).equals(long));
  },

  async trailers() {
    const { envoy } = await start();
    const [headers, body] = messagesOf({ chunks: ['{"model":"my-model",', '"prompt":"x"}'] });
    const last = requestBody('"prompt":"x"}');
    const stream = envoy.open().send(headers!, body!, last, requestTrailers);
    assert.isTrue((await stream.reply()).request_headers!.response!.clear_route_cache);
    const parts: string[] = [];
    for (let reply = await stream.reply(); ; reply = await stream.reply()) {
      if (reply.request_trailers) break;
      const { body: part, isLast } = partIn(reply, 'request_body');
      assert.isFalse(isLast, 'the trailers end it');
      parts.push(String(part));
    }
    assert.equal(parts.join(''), '{"model":"my-model","prompt":"x"}');
    stream.send(responseHeaders(), responseTrailers);
    assert.isDefined((await stream.reply()).response_headers);
    assert.isDefined((await stream.reply()).response_trailers);
  },

  async 'requests without a body'() {
    const { envoy } = await start();
    const headers = { ':method': 'GET', ':path': '/v1/files' };
    await busy(envoy, [1, 0, 1]);
    assert.equal((await pick(envoy, { headers, chunks: [] })).destination, PODS[1]);
    await busy(envoy, [0, 1, 0]);
    assert.equal((await pick(envoy, { chunks: [], subset: list(PODS[0]) })).destination, PODS[0]);
  },

  async 'bodies that are not JSON, or name no model that is served'() {
    const { envoy } = await start();
    await busy(envoy, [1, 0, 1]);
    for (const text of ['passthrough-parser', '{"prompt":"x"}', '{"model":"other"}', '\xff\x00']) {
      const { destination, body, stream } = await pick(envoy, { chunks: [text] });
      assert.deepEqual([destination, String(body)], [PODS[1], text]);
      await stream.halfClose();
    }
  },

  async 'health names'() {
    const { envoy } = await start();
    for (const service of ['liveness', 'readiness', 'envoy.service.ext_proc.v3.ExternalProcessor']) {
      assert.equal(await envoy.health(service), 'SERVING');
    }
    const empty = await start({}, []);
    assert.equal(await empty.envoy.health('liveness'), 'SERVING');
    assert.equal(await empty.envoy.health('readiness'), 'NOT_SERVING');
    assert.equal(await empty.envoy.health('envoy.service.ext_proc.v3.ExternalProcessor'), 'NOT_SERVING');
  },

  async 'only what is needed is changed'() {
    const { envoy } = await start();
    const body = '{ "model": "my-model", "prompt": "<&>", "temperature": 1.0 }';
    const picked = await pick(envoy, { headers: { hi: 'mom' }, chunks: [body] });
    assert.equal(String(picked.body), body);
    const set = headersSet(picked.first.request_headers!.response!.header_mutation);
    assert.sameMembers([...set.keys()], ['target-pod', DESTINATION, 'routing-strategy', 'x-request-id']);
    picked.stream.send(responseHeaders());
    const told = headersSet((await picked.stream.reply()).response_headers!.response!.header_mutation);
    assert.sameMembers([...told.keys()], ['routing-strategy', 'request-id']);
  },
};

interface HermeticCase {
  readonly queues: readonly number[];
  readonly asked: Asked;
  /** A pod, or why there is none. */
  readonly expected: (typeof PODS)[number] | 'ServiceUnavailable';
}

/** llm-d answers some of them otherwise: docs/endpoint-picker.md says which, and why. */
const HERMETIC: Readonly<Record<string, HermeticCase>> = {
  'select lower queue': { queues: [3, 0, 10], asked: {}, expected: PODS[1] },
  'do not shed by default': {
    queues: [6, 8, 10],
    asked: { headers: { 'x-gateway-inference-priority': '-1' } },
    expected: PODS[0],
  },
  'passthrough parser': { queues: [3, 0, 10], asked: { chunks: ['passthrough-parser'] }, expected: PODS[1] },
  'invalid json': { queues: [3, 0, 10], asked: { chunks: ['no healthy upstream'] }, expected: PODS[1] },
  'split body across 2 chunks': {
    queues: [0, 4, 10],
    asked: { chunks: [BODY.slice(0, 30), BODY.slice(30)] },
    expected: PODS[0],
  },
  'empty last chunk': { queues: [0, 4, 10], asked: { chunks: [BODY, ''] }, expected: PODS[0] },
  'body without model': { queues: [0, 4, 10], asked: { chunks: ['{"prompt":"x"}'] }, expected: PODS[0] },
  'model that is not known': {
    queues: [0, 4, 10],
    asked: { chunks: ['{"model":"direct-model","prompt":"x"}'] },
    expected: PODS[0],
  },
  'subset, all pods': { queues: [3, 0, 10], asked: { subset: list(...PODS) }, expected: PODS[1] },
  'subset, one pod, despite its load': {
    queues: [0, 0, 10],
    asked: { subset: list(PODS[2]) },
    expected: PODS[2],
  },
  'subset, no pod': {
    queues: [0, 0, 0],
    asked: { subset: list('192.168.1.99:8000') },
    expected: 'ServiceUnavailable',
  },
  'GET, headers only': {
    queues: [2, 1, 0],
    asked: { headers: { ':method': 'GET', ':path': '/v1/adapters' }, chunks: [] },
    expected: PODS[2],
  },
};

const RESPONSES: Readonly<Record<string, readonly string[]>> = {
  'JSON in two chunks': ['{"max_tokens":100,', '"model":"my-model"}'],
  'JSON, and an empty chunk that ends it': ['{"model":"my-model"}', ''],
  'what is no JSON': ['no healthy upstream'],
  'server-sent events': [
    'data: {"choices":[{"text":"a"}]}\n\n',
    'data: {"usage":{}}\n\n',
    'data: [DONE]\n\n',
  ],
};

describe('The endpoint picker protocol', () => {
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  for (const [point, show] of Object.entries(POINTS)) it(point, show);

  it('has a row in the docs for each of these points, and no other', async () => {
    const text = await readFile(new URL('../docs/endpoint-picker.md', import.meta.url), 'utf8');
    const table = text.slice(
      text.indexOf('## The protocol'),
      text.indexOf('## ', text.indexOf('## The protocol') + 3),
    );
    const rows = [...table.matchAll(/^\| (.+?) \|/gm)].map(([, point]) => point!);
    assert.deepEqual(rows.slice(2), Object.keys(POINTS));
  });
});

describe('llm-d’s hermetic cases', () => {
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  for (const [name, { queues, asked, expected }] of Object.entries(HERMETIC)) {
    it(`${name}: ${expected}`, async () => {
      const { envoy } = await start();
      await busy(envoy, queues);
      if (expected === 'ServiceUnavailable') {
        assert.equal((await refusal(envoy, asked)).status, expected);
        return;
      }
      const { destination, body } = await pick(envoy, asked);
      assert.equal(destination, expected);
      assert.equal(String(body), (asked.chunks ?? [BODY]).join(''), 'the body goes on as it came');
    });
  }

  for (const [name, chunks] of Object.entries(RESPONSES)) {
    it(`a response of ${name} passes chunk by chunk`, async () => {
      const { envoy } = await start();
      const { stream } = await pick(envoy);
      stream.send(responseHeaders());
      await stream.reply();
      for (const [i, chunk] of chunks.entries()) {
        const end = i === chunks.length - 1;
        stream.send(responseBody(chunk, end ? 'end' : undefined));
        const { body, isLast } = partIn(await stream.reply(), 'response_body');
        assert.deepEqual([String(body), isLast], [chunk, end]);
      }
    });
  }
});
