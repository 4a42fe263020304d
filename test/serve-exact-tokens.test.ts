import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from 'chai';
import { FIRST_CHECKS } from '../src/tokenizers/parity/parity-guard.ts';
import { answerByteTokens, byteIds, CHATML, chatText, writeByteTokenizer } from './support/byte-tokenizer.ts';
import { eventually } from './support/eventually.ts';
import { startFakeHub } from './support/fake-hub.ts';
import { type FakeTokenizer, json, NOT_FOUND } from './support/fake-tokenizer.ts';
import { adminPage, MODEL, routedTo, ServeBench, type Served, WITH_EVENTS } from './support/serve-bench.ts';

const CHAT = '/v1/chat/completions';
const LONG = 'Answer with care, and name your sources. '.repeat(8);
const chat = (...contents: readonly string[]) => ({
  messages: [LONG, ...contents].map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
});

interface Shown {
  readonly tokenizers: readonly [
    {
      readonly model: string;
      readonly tokenizer: { readonly kind: string; readonly why?: string; readonly segments?: string };
      readonly endpoints: readonly {
        readonly endpoint: string;
        readonly state: { readonly kind: string; readonly by?: string; readonly why?: string };
        readonly equal: number;
        readonly different: number;
      }[];
    },
  ];
}

describe('the server, with tokens computed in process', function () {
  this.timeout(30_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  const directory = () => bench.path('tokenizers');
  const start = (environment: Record<string, string> = {}): Promise<Served> =>
    bench.start({
      ...WITH_EVENTS,
      ...{ WARMROUTE_TOKENIZER_DIR: directory(), WARMROUTE_TOKENIZER_CHECK_PERCENT: '0' },
      ...environment,
    });
  const shown = async ({ server }: Served) =>
    (JSON.parse((await adminPage(server, '/debug/tokenizers')).text) as Shown).tokenizers[0];
  const stateOf = async (served: Served, endpoint = CHAT) =>
    (await shown(served))?.endpoints.find(each => each.endpoint === endpoint);
  const becomes = (served: Served, kind: string, endpoint = CHAT) =>
    eventually(`${endpoint} is ${kind}`, async () => (await stateOf(served, endpoint))?.state.kind === kind);
  const metric = async ({ server }: Served, line: string) => {
    const { text } = await adminPage(server, '/metrics');
    return Number(
      text
        .split('\n')
        .find(each => each.startsWith(`${line} `))
        ?.split(' ')[1] ?? 0,
    );
  };
  /** Prompts that engines were asked to tokenize, but for the probes. */
  const askedFor = (fakes: readonly FakeTokenizer[], part: string) =>
    fakes.flatMap(({ requests }) => requests).filter(({ text }) => text.includes(part)).length;

  it('asks no engine once its tokens were shown to be the engine’s, and only checks the first ones', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await becomes(served, 'trusted');
    await becomes(served, 'trusted', '/v1/completions');
    assert.deepInclude(await shown(served), {
      model: MODEL,
      tokenizer: { kind: 'loaded', segments: 'independent' },
    });
    let requests = 0;
    // The first ones are compared beside the requests, some at a time.
    await eventually('the first ones are checked', async () => {
      await routedTo(served.envoy, CHAT, chat(`checked ${requests++}`));
      return (await stateOf(served))!.equal >= FIRST_CHECKS;
    });
    for (const { requests } of fakes) assert.isNotEmpty(requests);
    for (let i = 0; i < 10; i++) await routedTo(served.envoy, CHAT, chat(`unchecked ${i}`));
    assert.equal(askedFor(fakes, 'unchecked'), 0);
    assert.equal(await metric(served, 'warmroute_exact_tokens_total{how="computed"}'), requests + 10);
    assert.isAbove(await metric(served, 'warmroute_segment_bytes'), 0);
    assert.equal(await metric(served, 'warmroute_exact_tokens_seconds_count'), requests + 10);
    const characters = (from: string) => metric(served, `warmroute_prompt_characters_total{from="${from}"}`);
    assert.isAbove(await characters('segments'), await characters('tokenizer'), 'all of them begin alike');
    assert.equal(await metric(served, `warmroute_tokens_trusted{model="${MODEL}",endpoint="${CHAT}"}`), 1);
    assert.equal((await stateOf(served))!.different, 0);
  });

  it('routes a conversation’s next turn to the pod of the first one', async () => {
    await writeByteTokenizer(directory(), MODEL);
    await bench.startTokenizers(4, answerByteTokens());
    const served = await start();
    await becomes(served, 'trusted');
    for (let i = 0; i < 5; i++) {
      const first = await routedTo(served.envoy, CHAT, chat(`hello ${i}`));
      const next = await routedTo(served.envoy, CHAT, chat(`hello ${i}`, 'Hi!', 'And now?'));
      assert.equal(next.target, first.target);
      assert.equal(next.reason, 'prefix_match');
      // All full blocks of 16 tokens before where the assistant’s answer begins.
      const before = byteIds(chatText(chat(`hello ${i}`))).length - '<|im_start|>assistant\n'.length;
      assert.isAtLeast(next.matchedBlocks, Math.floor(before / 16) - 1);
    }
  });

  it('finds within 20 requests that an engine has another template, says where, and asks it again', async () => {
    await writeByteTokenizer(directory(), MODEL);
    // As the probes are, and not what comes after: only real requests tell.
    const subtle = answerByteTokens(body => {
      const text = chatText(body);
      return body.messages.length > 2 && text.includes('subtle')
        ? text.replace('assistant\n', 'assistant\n ')
        : text;
    });
    const fakes = await bench.startTokenizers(2, subtle);
    const served = await start();
    await becomes(served, 'trusted');
    let sent = 0;
    await eventually('it is found', async () => {
      const { target } = await routedTo(served.envoy, CHAT, chat(`subtle ${sent++}`, 'Hi!', 'And now?'));
      assert.isDefined(target, 'no request is worse off');
      return (await stateOf(served))!.state.kind === 'doubted';
    });
    assert.isAtMost(sent, 20);
    const said = served.lines.filter(({ message }) => message.includes('differ from the engine’s'));
    assert.lengthOf(said, 1);
    const at = byteIds(chatText(chat('subtle 0', 'Hi!', 'And now?')));
    const { model, endpoint, position, ours, engines } = said[0]!.fields;
    assert.deepEqual({ model, endpoint, engines }, { model: MODEL, endpoint: CHAT, engines: 0x20 });
    assert.equal(at[position as number], ours);
    assert.notInclude(JSON.stringify(said), 'subtle', 'no text');
    await routedTo(served.envoy, CHAT, chat('afterwards'));
    assert.isAtLeast(askedFor(fakes, 'afterwards'), 1);
    assert.equal(await metric(served, 'warmroute_exact_tokens_total{how="doubted"}'), 1);
    assert.isAtLeast(
      await metric(
        served,
        `warmroute_token_comparisons_total{model="${MODEL}",endpoint="${CHAT}",outcome="different"}`,
      ),
      1,
    );
  });

  it('does not use files of another model at all', async () => {
    await writeByteTokenizer(directory(), MODEL, { template: CHATML.replace('assistant\n', 'assistant:\n') });
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await becomes(served, 'doubted');
    const { reason } = await routedTo(served.envoy, CHAT, chat('x'));
    assert.equal(reason, 'no_match');
    assert.isAtLeast(askedFor(fakes, '"x"'), 1);
    await becomes(served, 'trusted', '/v1/completions');
  });

  it('takes files that change, and asks the engine where they are gone', async () => {
    await writeByteTokenizer(directory(), MODEL, { template: 'wrong' });
    await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await becomes(served, 'doubted');
    await writeByteTokenizer(directory(), MODEL);
    await becomes(served, 'trusted');
    await rm(directory(), { recursive: true });
    await eventually('they are gone', async () => (await shown(served))?.tokenizer.kind === 'broken');
    assert.equal((await routedTo(served.envoy, CHAT, chat('x'))).reason, 'no_match');
    assert.isTrue(served.lines.some(({ message }) => message.includes('tokenizer files')));
  });

  it('leaves to the engine what only that can tokenize', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await becomes(served, 'trusted');
    await routedTo(served.envoy, CHAT, { ...chat('with a template'), chat_template: 'x' });
    assert.equal(askedFor(fakes, 'with a template'), 1);
    assert.equal(await metric(served, 'warmroute_exact_tokens_total{how="form"}'), 1);
  });

  it('ends a tokenizer that takes too long, and goes on with the engine', async () => {
    await writeByteTokenizer(directory(), MODEL, { pattern: '(?:Q+)+Z' });
    await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await becomes(served, 'trusted');
    const { reason } = await routedTo(served.envoy, CHAT, chat('Q'.repeat(60)));
    assert.notEqual(reason, undefined);
    await eventually('it has ended', async () => (await shown(served))?.tokenizer.kind === 'ended');
    assert.equal((await routedTo(served.envoy, CHAT, chat('b'))).reason, 'no_match');
  });

  it('stops while a tokenizer is being loaded that takes for ever', async () => {
    await writeByteTokenizer(directory(), MODEL, { pattern: '(?:a+)+b' });
    await bench.startTokenizers(2, answerByteTokens());
    const served = await start();
    await eventually('its files are read', () =>
      Promise.resolve(served.lines.some(({ message }) => message.includes('are read'))),
    );
    assert.equal((await shown(served))?.tokenizer.kind, 'loading');
    assert.equal((await routedTo(served.envoy, CHAT, chat('x'))).reason, 'no_match');
  });

  it('uses them as they are where no engine tells its tokens, until events contradict', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, () => NOT_FOUND);
    const served = await start();
    await becomes(served, 'trusted');
    assert.deepInclude((await stateOf(served))!.state, { by: 'unaskable' });
    assert.equal((await routedTo(served.envoy, CHAT, chat('x'))).reason, 'no_match');
    assert.equal(askedFor(fakes, '"x"'), 0);
  });

  it('tries again where engines are not there yet', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, () => json(503, {}));
    const served = await start();
    await eventually('they were asked', () =>
      Promise.resolve(fakes.some(({ requests }) => requests.length > 0)),
    );
    assert.notEqual((await stateOf(served))?.state.kind, 'trusted');
    for (const fake of fakes) fake.answer = answerByteTokens();
    await eventually('they are shown', async () => {
      await routedTo(served.envoy, CHAT, chat('x'));
      return (await stateOf(served))?.state.kind === 'trusted';
    });
  });

  it('asks no engine with WARMROUTE_TOKENIZER=local, and routes by load what it cannot tokenize', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const served = await start({ WARMROUTE_TOKENIZER: 'local' });
    await becomes(served, 'trusted');
    assert.equal((await routedTo(served.envoy, CHAT, chat('x'))).reason, 'no_match');
    assert.equal(
      (await routedTo(served.envoy, CHAT, { ...chat('y'), chat_template: 'x' })).reason,
      'no_token_form',
    );
    assert.lengthOf(
      fakes.flatMap(({ requests }) => requests),
      0,
    );
  });

  it('checks a share of the requests after the first ones (WARMROUTE_TOKENIZER_CHECK_PERCENT)', async () => {
    await writeByteTokenizer(directory(), MODEL);
    await bench.startTokenizers(2, answerByteTokens());
    const served = await start({ WARMROUTE_TOKENIZER_CHECK_PERCENT: '100' });
    await becomes(served, 'trusted');
    let requests = 0;
    await eventually('later ones are checked as well', async () => {
      await routedTo(served.envoy, CHAT, chat(`checked ${requests++}`));
      return (await stateOf(served))!.equal > FIRST_CHECKS + 3;
    });
  });

  it('keeps nothing of what it has tokenized with WARMROUTE_TOKENIZER_SEGMENTS_BYTES=0', async () => {
    await writeByteTokenizer(directory(), MODEL);
    await bench.startTokenizers(2, answerByteTokens());
    const served = await start({ WARMROUTE_TOKENIZER_SEGMENTS_BYTES: '0' });
    await becomes(served, 'trusted');
    for (const answer of ['Hi!', 'Hi!'])
      await routedTo(served.envoy, CHAT, chat('hello', answer, 'And now?'));
    assert.equal(await metric(served, 'warmroute_segment_bytes'), 0);
    assert.isAbove(await metric(served, 'warmroute_exact_tokens_total{how="computed"}'), 0);
  });

  it('downloads what has no directory from a hub, by the standard settings, and without one from its cache', async () => {
    const hub = await startFakeHub();
    bench.atEnd(() => hub.close());
    await writeByteTokenizer(directory(), 'any');
    const file = (name: string) => readFile(join(directory(), 'any', name));
    hub.token = 'hf_secret';
    hub.models.set('org/model', {
      'tokenizer.json': await file('tokenizer.json'),
      'tokenizer_config.json': await file('tokenizer_config.json'),
    });
    await writeFile(bench.path('token'), 'hf_secret\n');
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const pods = fakes.map(({ pod: { name, ip, port } }) => {
      return { name, address: ip, port, model: 'org/model', aliases: [MODEL] };
    });
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
    const byHub = {
      ...{ ...WITH_EVENTS, WARMROUTE_TOKENIZER_HUB: 'true', HF_ENDPOINT: hub.url },
      ...{ HF_HOME: bench.path('home'), HF_TOKEN_PATH: bench.path('token') },
    };
    const first = await bench.start(byHub);
    await becomes(first, 'trusted');
    assert.equal((await routedTo(first.envoy, CHAT, chat('x'))).reason, 'no_match');
    assert.equal(await metric(first, 'warmroute_exact_tokens_total{how="computed"}'), 1);
    assert.notInclude(JSON.stringify(first.lines), 'hf_secret');
    await first.server.stop();
    hub.asked.length = 0;
    const offline = await bench.start({
      ...{ ...byHub, HF_HUB_OFFLINE: '1', HF_TOKEN: 'hf_secret', HF_TOKEN_PATH: '' },
      HF_HUB_CACHE: bench.path('home/hub'),
    });
    await becomes(offline, 'trusted');
    assert.isEmpty(hub.asked);
  });

  it('looks at no files with WARMROUTE_TOKENIZER=engine', async () => {
    await writeByteTokenizer(directory(), MODEL);
    const fakes = await bench.startTokenizers(2, answerByteTokens());
    const served = await start({ WARMROUTE_TOKENIZER: 'engine' });
    await routedTo(served.envoy, CHAT, chat('x'));
    assert.equal(askedFor(fakes, '"x"'), 1);
    assert.isUndefined(await shown(served));
  });

  it('counts nothing of models without files where nothing says that there are any', async () => {
    await bench.startTokenizers(2, answerByteTokens());
    const served = await bench.start(WITH_EVENTS);
    for (let i = 0; i < 3; i++) await routedTo(served.envoy, CHAT, chat(`${i}`));
    const { text } = await adminPage(served.server, '/metrics');
    assert.notMatch(text, /^warmroute_(tokens_trusted|exact_tokens_total)\{/m);
    assert.deepEqual((await shown(served))?.endpoints, []);
  });
});
