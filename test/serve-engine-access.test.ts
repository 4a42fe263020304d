import { readFile, writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import { eventually } from './support/eventually.ts';
import { answerBytes, json } from './support/fake-tokenizer.ts';
import { adminPage, routed, ServeBench, WITH_EVENTS } from './support/serve-bench.ts';

const KEY = 'sk-hunter2-of-the-engines';
const fixture = (name: string) => new URL(`./fixtures/tls/${name}`, import.meta.url).pathname;

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => assert.fail('it started'),
    (error: Error) => error.message,
  );
}

describe('the server, with engines that want a key or speak TLS', function () {
  this.timeout(20_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  it('brings the key to their render endpoints, and shows it nowhere', async () => {
    const fakes = await bench.startTokenizers(2, request =>
      request.authorization === `Bearer ${KEY}` ? answerBytes(request) : json(401, { error: 'Unauthorized' }),
    );
    await writeFile(bench.path('key'), `${KEY}\n`);
    const { envoy, lines, server } = await bench.start({
      ...{ ...WITH_EVENTS, WARMROUTE_LOG_LEVEL: 'debug' },
      WARMROUTE_ENGINE_API_KEY_FILE: bench.path('key'),
    });
    await routed(envoy);
    assert.equal((await routed(envoy)).reason, 'prefix_match');
    for (const fake of fakes) fake.answer = () => json(500, { error: KEY });
    await routed(envoy, 'something else');
    const { text } = await adminPage(server, '/metrics');
    assert.notInclude(JSON.stringify(lines) + text, 'hunter2');
  });

  it('names engines that want a key, and goes on without their tokens', async () => {
    await bench.startTokenizers(2, () => json(401, { error: 'Unauthorized' }));
    const { envoy, lines } = await bench.start(WITH_EVENTS);
    await routed(envoy);
    const named = lines.filter(({ message }) => message.includes('WARMROUTE_ENGINE_API_KEY_FILE'));
    assert.isNotEmpty(named);
    assert.equal((await routed(envoy)).reason, 'history_match');
  });

  it('asks over https where the template says so, and checks who answers', async () => {
    const tls = {
      cert: await readFile(fixture('engine.pem')),
      key: await readFile(fixture('engine.key.pem')),
    };
    const [fake] = await bench.startTokenizers(1, answerBytes, tls);
    // A second pod, so that there is a choice; both are asked at the port of the first one.
    const pods = ['a', 'b'].map(name => ({ name, address: '127.0.0.1', port: 1, model: 'sim-model' }));
    pods[1]!.port = 2;
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
    const environment = {
      ...WITH_EVENTS,
      AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE: `https://%s:${fake!.pod.port}`,
    };
    const trusting = await bench.start({ ...environment, WARMROUTE_ENGINE_CA_FILE: fixture('ca.pem') });
    await routed(trusting.envoy);
    assert.equal((await routed(trusting.envoy)).reason, 'prefix_match');
    const wary = await bench.start(environment);
    assert.equal((await routed(wary.envoy)).reason, 'tokenizer_failed');
  });

  it('asks over https how they are, too', async () => {
    const tls = {
      cert: await readFile(fixture('engine.pem')),
      key: await readFile(fixture('engine.key.pem')),
    };
    const [fake] = await bench.startTokenizers(1, answerBytes, tls);
    const { server } = await bench.start({
      ...{ ...WITH_EVENTS, WARMROUTE_HEALTH_INTERVAL_MS: '50', WARMROUTE_ENGINE_CA_FILE: fixture('ca.pem') },
      AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE: `https://%s:${fake!.pod.port}`,
    });
    await eventually('it is well', async () => {
      const { pods } = JSON.parse((await adminPage(server, '/debug/pods')).text);
      return pods[0].health === 'healthy';
    });
  });

  for (const [what, name, content, says] of [
    ['is empty', 'WARMROUTE_ENGINE_API_KEY_FILE', '\n', 'in one line'],
    ['has two lines', 'WARMROUTE_ENGINE_API_KEY_FILE', `${KEY}\n${KEY}`, 'in one line'],
    ['has no certificate', 'WARMROUTE_ENGINE_CA_FILE', KEY, 'no PEM certificate'],
    ['is not there', 'WARMROUTE_ENGINE_API_KEY_FILE', undefined, 'ENOENT'],
  ] as const) {
    it(`does not start when the file of ${name} ${what}, and says why`, async () => {
      await bench.startTokenizers(1);
      if (content !== undefined) await writeFile(bench.path('file'), content);
      const message = await rejection(bench.start({ ...WITH_EVENTS, [name]: bench.path('file') }));
      assert.include(message, name);
      assert.include(message, says);
      assert.notInclude(message, 'hunter2');
    });
  }
});
