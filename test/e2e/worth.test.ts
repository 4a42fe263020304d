/** What engines report of cached tokens, as far as a real Envoy shows it, beside what was predicted. */
import { assert } from 'chai';
import { extProcOf } from '../../demo/envoy.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { type EngineFleet, envoyReady, MODEL, startEngineFleet, withFleet } from '../support/fleet.ts';

const FILES: readonly EnvoyFile[] = ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'];
const ALL = { WARMROUTE_ANSWER_SAMPLE_PERCENT: '100' };
const SAMPLED = 'warmroute_sampled_answers_total';

/** Some ten blocks. */
const LONG = 'a story that is told again and again, of an atlas and of those who read it '.repeat(12);
const chat = { messages: [{ role: 'user', content: LONG }], max_tokens: 4 };

const REQUESTS: Readonly<Record<string, readonly [path: string, body: object]>> = {
  'a chat': ['/v1/chat/completions', chat],
  'a streamed chat': [
    '/v1/chat/completions',
    { ...chat, stream: true, stream_options: { include_usage: true } },
  ],
  'a completion': ['/v1/completions', { prompt: LONG, max_tokens: 4 }],
  'a streamed completion': [
    '/v1/completions',
    { prompt: LONG, max_tokens: 4, stream: true, stream_options: { include_usage: true } },
  ],
  'a response': ['/v1/responses', { input: LONG, max_output_tokens: 4 }],
  'a streamed response': ['/v1/responses', { input: LONG, max_output_tokens: 4, stream: true }],
  'a message': ['/v1/messages', chat],
  'a streamed message': ['/v1/messages', { ...chat, stream: true }],
};

for (const file of FILES) {
  describe(`Cached tokens as engines report them (${file})`, function () {
    this.timeout(30_000);
    let fleet: EngineFleet;

    before(async function () {
      await envoyReady.call(this);
      fleet = await startEngineFleet({ file, engines: 2, environment: ALL });
    });
    after(() => fleet?.stop());

    /** How many of the sampled answers came to this. */
    const sampled = async (outcome: string) => (await fleet.program.metrics())(SAMPLED, { outcome });

    async function ask(path: string, body: object): Promise<void> {
      const before = await sampled('as_predicted');
      const { status, text } = await fleet.post(path, { model: MODEL, ...body });
      assert.equal(status, 200, text);
      await eventually('it is compared', async () => (await sampled('as_predicted')) > before);
    }

    for (const [what, [path, body]] of Object.entries(REQUESTS)) {
      it(`are what was predicted, of ${what}`, async () => {
        const reportedBefore = (await fleet.program.metrics())(
          'warmroute_sampled_reported_cached_tokens_total',
        );
        await ask(path, body);
        await fleet.indexed();
        await ask(path, body);
        const metrics = await fleet.program.metrics();
        assert.isAbove(metrics('warmroute_sampled_reported_cached_tokens_total') - reportedBefore, 150);
        const answer = 'stream' in body ? 'streamed' : 'whole';
        assert.isAbove(metrics('warmroute_first_byte_seconds_count', { answer, arm: 'routed' }), 1);
      });
    }

    it('are not told where a stream is to have no usage, and its client’s request stays as it is', async () => {
      const before = await sampled('no_usage');
      const { status, text } = await fleet.post('/v1/chat/completions', {
        model: MODEL,
        ...chat,
        stream: true,
      });
      assert.equal(status, 200);
      assert.notInclude(text, '"usage":{');
      await eventually('that is counted', async () => (await sampled('no_usage')) > before);
    });

    it('were never far from what was predicted', async () => {
      assert.deepEqual([await sampled('more_cached'), await sampled('less_cached')], [0, 0]);
    });
  });
}

describe('An Envoy that shows no answers', function () {
  this.timeout(30_000);
  before(envoyReady);

  for (const [how, edit] of [
    ['shows their headers alone', (modes: unknown[]) => modes.slice(0, 2)],
    ['shows nothing', (modes: unknown[]) => modes.slice(0, 1)],
  ] as const) {
    it(`serves as ever where it ${how}, and that is counted`, async () => {
      const starting = startEngineFleet({
        ...{ engines: 1, environment: ALL },
        edit(bootstrap) {
          const filter = extProcOf(bootstrap);
          filter.allowed_override_modes = edit(filter.allowed_override_modes as unknown[]) as never;
        },
      });
      await withFleet(starting, async fleet => {
        const { status, usage } = await fleet.post('/v1/chat/completions', { model: MODEL, ...chat });
        assert.equal(status, 200);
        assert.isDefined(usage);
        await eventually('that is counted', async () => {
          const metrics = await fleet.program.metrics();
          return metrics(SAMPLED, { outcome: 'not_shown' }) === 1;
        });
      });
    });
  }
});
