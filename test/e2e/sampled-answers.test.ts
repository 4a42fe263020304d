/** What clients get of answers that are looked into, through a real Envoy: the bytes of the engine, whatever it says and however it ends. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { assert } from 'chai';
import { aPod } from '../support/builders.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, MODEL, startFleet } from '../support/fleet.ts';

const FILES: readonly EnvoyFile[] = ['warmroute.yaml', 'endpoint-picker.yaml'];
const SAMPLED = 'warmroute_sampled_answers_total';
const BODY = { model: MODEL, prompt: 'a story that is told again and again '.repeat(20) };
const USAGE = '{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":0}}}';

type Answer = (response: ServerResponse) => void | Promise<void>;
const whole = (type: string, content: string | Buffer, headers = {}): Answer => {
  return response => void response.writeHead(200, { 'content-type': type, ...headers }).end(content);
};

const HOSTILE: Readonly<Record<string, readonly [answer: Answer, outcome: string, content: string]>> = {
  'four megabytes without a line’s end': [
    whole('application/json', 'x'.repeat(4 << 20)),
    'no_usage',
    'x'.repeat(4 << 20),
  ],
  'a usage of nonsense': [
    whole('application/json', '{"usage":{"prompt_tokens":-1,"prompt_tokens":1e400}}'),
    'no_usage',
    '{"usage":{"prompt_tokens":-1,"prompt_tokens":1e400}}',
  ],
  'one usage in another, without end': [
    whole('application/json', '"usage":{'.repeat(4_000)),
    'no_usage',
    '"usage":{'.repeat(4_000),
  ],
  'an answer that is compressed': [
    whole('application/json', gzipSync(USAGE), { 'content-encoding': 'gzip' }),
    'encoded',
    gzipSync(USAGE).toString(),
  ],
  'an answer byte by byte': [
    async response => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const byte of `data: ${USAGE}\n\n`) {
        response.write(byte);
        await new Promise(resolve => setImmediate(resolve));
      }
      response.end();
    },
    'unpredicted',
    `data: ${USAGE}\n\n`,
  ],
  'an answer with trailers': [
    response => {
      response.writeHead(200, { 'content-type': 'application/json', trailer: 'x-end' });
      response.write(USAGE);
      response.addTrailers({ 'x-end': 'yes' });
      response.end();
    },
    'unpredicted',
    USAGE,
  ],
  'an answer without a body': [whole('application/json', ''), 'not_shown', ''],
};

for (const file of FILES) {
  describe(`Answers that are looked into (${file})`, function () {
    this.timeout(30_000);
    let engine: Server;
    let answer: Answer;
    let fleet: Fleet;

    before(async function () {
      await envoyReady.call(this);
      engine = createServer((request, response) => {
        request.resume().once('end', () => void answer(response));
      }).listen(0, '127.0.0.1');
      await once(engine, 'listening');
      const { port } = engine.address() as AddressInfo;
      fleet = await startFleet({
        file,
        pods: [
          {
            pod: aPod({ name: 'engine-0', ip: '127.0.0.1', port, model: MODEL }),
            address: `127.0.0.1:${port}`,
          },
        ],
        environment: { WARMROUTE_ANSWER_SAMPLE_PERCENT: '100', WARMROUTE_HEALTH_INTERVAL_MS: '0' },
      });
    });
    after(async () => {
      await fleet?.stop();
      engine?.close();
      engine?.closeAllConnections();
    });

    const counted = async (outcome: string) => (await fleet.program.metrics())(SAMPLED, { outcome });

    for (const [what, [given, outcome, content]] of Object.entries(HOSTILE)) {
      it(`are passed on as they are: ${what}`, async () => {
        answer = given;
        const before = await counted(outcome);
        const { status, text } = await fleet.post('/v1/completions', BODY);
        assert.equal(status, 200);
        assert.isTrue(text === content, `${text.length} characters`);
        await eventually(`it is ${outcome}`, async () => (await counted(outcome)) === before + 1);
      });
    }

    it('are given up with their client', async () => {
      const closed = Promise.withResolvers<void>();
      answer = response => {
        response.once('close', closed.resolve);
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
      };
      const before = await counted('no_usage');
      const streaming = await fleet.stream('/v1/completions', { ...BODY, stream: true });
      assert.equal(streaming.status, 200);
      assert.equal(await counted('no_usage'), before, 'it is counted before its end');
      streaming.abort();
      await closed.promise;
      await eventually('it is counted', async () => (await counted('no_usage')) === before + 1);
      assert.equal(await fleet.inFlight(), 0);
    });
  });
}
