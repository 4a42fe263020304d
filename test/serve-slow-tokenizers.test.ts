import { setTimeout as delay } from 'node:timers/promises';
import { assert } from 'chai';
import { eventually } from './support/eventually.ts';
import { type AnswerRequest, HANG, json } from './support/fake-tokenizer.ts';
import { adminPage, routed, ServeBench, WITH_EVENTS } from './support/serve-bench.ts';

/** The bytes of the prompt alone: of two bodies the first blocks are the same otherwise. */
const answerPrompt: AnswerRequest = ({ body }) => {
  const ids = [...Buffer.from((body as { readonly prompt: string }).prompt)];
  return json(200, [{ request_id: 'r', token_ids: ids }]);
};

/** Answers so late. */
const lateBy =
  (ms: (bytes: number) => number): AnswerRequest =>
  async request => {
    await delay(ms(request.text.length));
    return answerPrompt(request);
  };

const LONG_BYTES = 250_000;
const longPrompt = (i: number) => `${i} is long. `.repeat(LONG_BYTES / 11);
const shortPrompt = (i: number) => `Number ${i} is a question of some sixty characters or a few more. `;

// The delays are what the decision's time is about: an engine that takes 450 ms of 800 is slow, and in time.
describe('the server, with tokenizers that are slow or fail', function () {
  this.timeout(30_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  it('matches when a render takes most of the decision’s time', async () => {
    await bench.startTokenizers(
      2,
      lateBy(() => 450),
    );
    // Without the cache, so that the second prompt is rendered as well.
    const { envoy } = await bench.start({ ...WITH_EVENTS, WARMROUTE_TOKENIZER_CACHE_BYTES: '0' });
    const first = await routed(envoy);
    assert.equal(first.reason, 'no_match');
    assert.deepInclude(await routed(envoy), { target: first.target, reason: 'prefix_match' });
  });

  for (const [what, ms] of [
    ['slow', 500],
    ['too late', 3_000],
  ] as const) {
    it(`matches short prompts after long ones were ${what}`, async () => {
      await bench.startTokenizers(
        2,
        lateBy(bytes => (bytes > LONG_BYTES / 2 ? ms : 0)),
      );
      const { envoy, lines } = await bench.start(WITH_EVENTS);
      await Promise.all(Array.from({ length: 8 }, (_, i) => routed(envoy, longPrompt(i))));
      for (let i = 0; i < 10; i++) {
        const first = await routed(envoy, shortPrompt(i));
        assert.equal(first.reason, 'no_match');
        assert.deepInclude(await routed(envoy, shortPrompt(i)), {
          ...{ target: first.target, reason: 'prefix_match' },
        });
      }
      assert.isEmpty(lines.filter(({ message }) => message.includes('circuit')));
    });
  }

  it('matches what others ask after one engine has failed on some prompts', async () => {
    const poisoned: AnswerRequest = request =>
      request.text.includes('poison') ? json(500, {}) : answerPrompt(request);
    await bench.startTokenizers(2, poisoned);
    const { envoy, lines } = await bench.start(WITH_EVENTS);
    for (let i = 0; i < 12; i++) {
      assert.equal((await routed(envoy, `poison ${shortPrompt(i)}`)).reason, 'tokenizer_failed');
    }
    for (let i = 0; i < 10; i++) {
      await routed(envoy, shortPrompt(i));
      assert.equal((await routed(envoy, shortPrompt(i))).reason, 'prefix_match');
    }
    assert.isEmpty(lines.filter(({ message }) => message.includes('circuit')));
  });

  it('asks another pod when one hangs, and then leaves that one alone', async () => {
    const [hanging] = await bench.startTokenizers(2, answerPrompt);
    hanging!.answer = () => HANG;
    const { envoy, lines, server } = await bench.start({
      ...WITH_EVENTS,
      // Of the probe as well.
      AIBRIX_TOKENIZER_REQUEST_TIMEOUT: '1',
      // However busy the machine is.
      WARMROUTE_DECISION_TIMEOUT_MS: '10000',
    });
    for (let i = 0; i < 12; i++) assert.equal((await routed(envoy, shortPrompt(i))).reason, 'no_match');
    await eventually('its circuit is open', () =>
      lines.some(({ message }) => message.includes('circuit of this pod’s tokenizer')),
    );
    const asked = hanging!.requests.length;
    for (let i = 0; i < 12; i++) assert.equal((await routed(envoy, shortPrompt(i))).reason, 'prefix_match');
    assert.lengthOf(hanging!.requests, asked);
    assert.include(
      (await adminPage(server, '/metrics')).text,
      'warmroute_tokenize_calls_total{kind="hedge"}',
    );
  });
});
