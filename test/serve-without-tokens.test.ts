import { assert } from 'chai';
import { type AnswerRequest, HANG, json, NOT_FOUND, SCALE_OUT_DISABLED } from './support/fake-tokenizer.ts';
import { adminPage, routedTo, ServeBench, WITH_EVENTS } from './support/serve-bench.ts';

const RESPONSES = '/v1/responses';
const PODS = 4;

/** A conversation: what turn `turn` sends, all before it included. */
const turnOf = (conversation: number, turn: number) => ({
  previous_response_id: 'resp_1',
  instructions: 'You are a coding agent.',
  input: Array.from({ length: 2 * turn + 1 }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: `Message ${i} of conversation ${conversation}.`,
  })),
});

describe('the server, with prompts that have no tokens', function () {
  this.timeout(20_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  const cases: [what: string, reason: string, answer: AnswerRequest, environment: Record<string, string>][] =
    [
      ['no form for /tokenize', 'no_token_form', () => SCALE_OUT_DISABLED, {}],
      ['an engine that does not tokenize', 'no_token_form', () => NOT_FOUND, {}],
      ['an engine that refuses to', 'prompt_refused', () => json(400, {}), {}],
      ['tokenizers that fail', 'tokenizer_failed', () => json(503, {}), {}],
      ['tokenizers that are late', 'deadline', () => HANG, { WARMROUTE_DECISION_TIMEOUT_MS: '40' }],
    ];
  for (const [what, reason, answer, environment] of cases) {
    it(`keeps conversations where they were: ${what}`, async () => {
      await bench.startTokenizers(PODS, answer);
      const { envoy, server } = await bench.start({ ...WITH_EVENTS, ...environment });
      const places: (string | undefined)[] = [];
      for (let conversation = 0; conversation < 5; conversation++) {
        const first = await routedTo(envoy, RESPONSES, turnOf(conversation, 0));
        assert.equal(first.reason, reason);
        places.push(first.target);
      }
      for (const turn of [1, 2]) {
        for (const [conversation, target] of places.entries()) {
          assert.deepEqual(await routedTo(envoy, RESPONSES, turnOf(conversation, turn)), {
            // Nothing is claimed of an engine's cache.
            ...{ target, reason: 'history_match', matchedBlocks: 0 },
          });
        }
      }
      const { text } = await adminPage(server, '/metrics');
      assert.include(text, `warmroute_prompts_without_tokens_total{model="sim-model",why="${reason}"} 15`);
    });
  }

  it('keeps a conversation together when its tokenizer comes and goes', async () => {
    const fakes = await bench.startTokenizers(PODS, () => json(503, {}));
    const { envoy } = await bench.start(WITH_EVENTS);
    const send = (turn: number) =>
      routedTo(envoy, '/v1/chat/completions', { messages: turnOf(1, turn).input });
    assert.equal((await send(0)).reason, 'tokenizer_failed');
    const tokens = Array.from({ length: 100 }, (_, i) => i);
    for (const fake of fakes) fake.answer = () => json(200, { token_ids: tokens });
    const second = await send(1);
    assert.equal(second.reason, 'no_match');
    for (const fake of fakes) fake.answer = () => json(503, {});
    assert.deepInclude(await send(2), { target: second.target, reason: 'history_match' });
  });

  it('says once of each pod and path that it has no form, and not what was asked', async () => {
    await bench.startTokenizers(2, () => SCALE_OUT_DISABLED);
    const { envoy, lines, server } = await bench.start({ ...WITH_EVENTS, WARMROUTE_LOG_LEVEL: 'debug' });
    for (let i = 0; i < 6; i++) await routedTo(envoy, RESPONSES, turnOf(i, 1));
    const said = lines.filter(({ message }) => message.includes('cannot tokenize such requests'));
    assert.sameDeepMembers(
      said.map(({ fields }) => fields),
      [
        { pod: 'pod-0', path: RESPONSES },
        { pod: 'pod-1', path: RESPONSES },
      ],
    );
    const { text } = await adminPage(server, '/metrics');
    assert.match(text, /warmroute_tokenize_calls_total\{kind="no_form"\} \d+/);
    assert.notInclude(JSON.stringify(lines) + text, 'conversation');
  });
});
