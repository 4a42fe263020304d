import { assert } from 'chai';
import type { KvEventSource } from '../../../src/domain.ts';
import { isWorker, readHints } from '../../../src/pods/kubernetes/hints.ts';
import { type PodObject, readPod } from '../../../src/pods/kubernetes/pod-object.ts';
import { kubePod } from '../../support/kube-pods.ts';

type Texts = Record<string, string>;

function object(labels: Texts, annotations: Texts = {}): PodObject {
  const pod = kubePod({
    name: 'a',
    ip: '10.0.0.1',
    labels,
    annotations,
    containers: { engine: {}, proxy: {} },
  });
  return readPod({ ...pod, metadata: { ...pod.metadata, uid: 'u' } })!;
}

/** What labels and annotations say, and the keys of what could not be read. */
function said(labels: Texts, annotations: Texts = {}) {
  const { hints, problems } = readHints(object(labels, annotations));
  return { ...hints, problems: problems.map(({ key, reason }) => `${key}: ${reason}`) };
}

const NOTHING: ReturnType<typeof said> = {
  model: undefined,
  aliases: [],
  port: 8000,
  metricsPort: undefined,
  kvEvents: { kind: 'auto' },
  container: undefined,
  zone: undefined,
  tokenizer: undefined,
  problems: [],
};
const USUAL: KvEventSource = { kind: 'zmq', port: 5557, replayPort: 5558, ranks: 1 };

describe('what labels and annotations say of an engine', () => {
  it('is nothing where there are none', () => assert.deepEqual(said({ app: 'vllm' }), NOTHING));

  it('is what AIBrix means by its labels', () => {
    const labels: Texts = {
      'model.aibrix.ai/name': 'llama',
      'model.aibrix.ai/port': '8080',
      'model.aibrix.ai/engine': 'vllm',
      'model.aibrix.ai/metric-port': '8081',
      'model.aibrix.ai/kv-events-enabled': 'true',
    };
    assert.deepEqual(said(labels), {
      ...{ ...NOTHING, model: 'llama', port: 8080, metricsPort: 8081, kvEvents: USUAL },
    });
    assert.deepEqual(said({ 'model.aibrix.ai/kv-events-enabled': 'false' }).kvEvents, { kind: 'none' });
  });

  it('is taken from AIBrix’s annotations where a label cannot say it', () => {
    assert.equal(said({}, { 'model.aibrix.ai/name': 'meta-llama/Llama-3' }).model, 'meta-llama/Llama-3');
    assert.equal(said({ 'model.aibrix.ai/name': 'a' }, { 'model.aibrix.ai/name': 'b' }).model, 'a');
  });

  it('names adapters as AIBrix’s ModelAdapters do', () => {
    assert.deepEqual(said({ 'adapter.model.aibrix.ai/name': 'sql' }).aliases, ['sql']);
    assert.deepEqual(said({ 'adapter.model.aibrix.ai/enabled': 'true' }), NOTHING);
  });

  it('is all that a pods file can say, in annotations of our own, which go first', () => {
    const annotations = {
      'warmroute.dev/model': 'org/base',
      'warmroute.dev/aliases': 'one, two,',
      'warmroute.dev/port': '9000',
      'warmroute.dev/container': 'proxy',
      'warmroute.dev/metrics-port': '9001',
      'warmroute.dev/kv-events': 'zmq',
      'warmroute.dev/kv-events-port': '6000',
      'warmroute.dev/replay-port': '6100',
      'warmroute.dev/ranks': '4',
      'warmroute.dev/zone': 'eu-1a',
      'warmroute.dev/tokenizer': 'org/base',
    };
    const labels = { 'model.aibrix.ai/name': 'llama', 'model.aibrix.ai/port': '8080' };
    assert.deepEqual(said(labels, annotations), {
      model: 'org/base',
      aliases: ['one', 'two'],
      port: 9000,
      metricsPort: 9001,
      container: 'proxy',
      kvEvents: { kind: 'zmq', port: 6000, replayPort: 6100, ranks: 4 },
      zone: 'eu-1a',
      tokenizer: 'org/base',
      problems: [],
    });
  });

  it('name tokenizer files below a directory, and never a way out of it', () => {
    for (const name of ['/etc', '../secrets', 'a/../../b', 'a//b', './a', 'a/', 'a\0b', 'x'.repeat(513)]) {
      const { tokenizer, problems } = said({}, { 'warmroute.dev/tokenizer': name });
      assert.isUndefined(tokenizer, name);
      assert.match(problems[0] ?? '', /^warmroute\.dev\/tokenizer: must /);
    }
    assert.equal(said({}, { 'warmroute.dev/tokenizer': 'Qwen/Qwen3-8B' }).tokenizer, 'Qwen/Qwen3-8B');
    assert.isUndefined(said({ 'warmroute.dev/tokenizer': 'a' }).tokenizer, 'labels of our own are not read');
  });

  it('names the zone by the label that Kubernetes copies from the node, unless its owner says another', () => {
    const label = { 'topology.kubernetes.io/zone': 'eu-1a' };
    assert.equal(said(label).zone, 'eu-1a');
    assert.equal(said(label, { 'warmroute.dev/zone': 'rack-7' }).zone, 'rack-7');
    assert.deepEqual(said({ 'topology.kubernetes.io/zone': '' }), NOTHING);
    const { zone, problems } = said(label, { 'warmroute.dev/zone': 'z'.repeat(64) });
    assert.equal(zone, 'eu-1a');
    assert.lengthOf(problems, 1);
    assert.match(problems[0]!, /^warmroute\.dev\/zone: must be 1 to 63 letters/);
  });

  for (const [given, expected] of [
    [{ 'kv-events': 'none' }, { kind: 'none' }],
    [{ 'kv-events': 'auto' }, { kind: 'auto' }],
    [{ 'kv-events': 'zmq' }, USUAL],
    [{ 'kv-events-port': '6000' }, { kind: 'zmq', port: 6000, replayPort: undefined, ranks: 1 }],
    [{ 'replay-port': '6000' }, { kind: 'zmq', port: 5557, replayPort: 6000, ranks: 1 }],
    [{ ranks: '2' }, { kind: 'zmq', port: 5557, replayPort: undefined, ranks: 2 }],
    [{ 'kv-events': 'none', 'kv-events-port': '6000' }, { kind: 'none' }],
  ] as const) {
    it(`has events by ${JSON.stringify(given)}`, () => {
      const annotations = Object.fromEntries(
        Object.entries(given).map(([key, value]) => [`warmroute.dev/${key}`, value]),
      );
      const { kvEvents, problems } = said({}, annotations);
      assert.deepEqual(kvEvents, expected);
      assert.isEmpty(problems);
    });
  }

  it('is without what cannot be read', () => {
    const annotations = {
      'warmroute.dev/model': 'm'.repeat(513),
      'warmroute.dev/aliases': 'm'.repeat(513),
      'warmroute.dev/port': '70000',
      'warmroute.dev/container': 'other',
      'warmroute.dev/kv-events': 'yes',
      'warmroute.dev/kv-events-port': '1e3',
      'warmroute.dev/ranks': '0',
      'warmroute.dev/modell': 'm',
    };
    const labels: Texts = {
      'model.aibrix.ai/name': 'llama',
      'model.aibrix.ai/port': 'http',
      'model.aibrix.ai/kv-events-enabled': 'on',
    };
    const { problems, ...rest } = said(labels, annotations);
    assert.deepEqual({ ...rest, problems: [] }, { ...NOTHING, model: 'llama' });
    assert.deepEqual(problems, [
      'warmroute.dev/modell: there is no such annotation',
      'warmroute.dev/model: must not be longer than 512 characters',
      'warmroute.dev/aliases: must not be longer than 512 characters',
      'warmroute.dev/port: must be an integer between 1 and 65535',
      'model.aibrix.ai/port: must be an integer between 1 and 65535',
      'warmroute.dev/kv-events: must be none, auto or zmq',
      'warmroute.dev/kv-events-port: must be an integer between 1 and 65535',
      'warmroute.dev/ranks: must be an integer between 1 and 256',
      'model.aibrix.ai/kv-events-enabled: must be true or false',
      'warmroute.dev/container: the pod has no container of this name',
    ]);
  });

  it('is what the labels say where the event ports do not go together', () => {
    const { kvEvents, problems } = said(
      { 'model.aibrix.ai/kv-events-enabled': 'true' },
      { 'warmroute.dev/replay-port': '5558', 'warmroute.dev/ranks': '2' },
    );
    assert.deepEqual(kvEvents, USUAL);
    assert.match(problems.join(), /^warmroute.dev\/replay-port: ports 5558 to 5559 overlap/);
  });
});

describe('a worker of an engine', () => {
  for (const [labels, expected] of [
    [{}, false],
    [{ 'ray.io/node-type': 'worker' }, true],
    [{ 'ray.io/node-type': 'head' }, false],
    [{ 'stormservice.orchestration.aibrix.ai/pod-group-index': '0' }, false],
    [{ 'stormservice.orchestration.aibrix.ai/pod-group-index': '1' }, true],
  ] as const) {
    it(`is ${expected ? '' : 'not '}told by ${JSON.stringify(labels)}`, () =>
      assert.equal(isWorker(object(labels)), expected));
  }
});
