import { once } from 'node:events';
import { createServer } from 'node:net';
import { assert } from 'chai';
import type { Pod } from '../../../src/domain.ts';
import {
  createRemoteTokenizer,
  type RemoteTokenizerOptions,
  type TokenizeFact,
} from '../../../src/prompt/engine/remote-tokenizer.ts';
import { type PromptRequest, parsePrompt } from '../../../src/prompt/request.ts';
import { TOO_LATE, type Tokenizer, TokenizerError } from '../../../src/prompt/tokenizer.ts';
import { eventually } from '../../support/eventually.ts';
import {
  answerBytes,
  type FakeTokenizer,
  HANG,
  json,
  NOT_FOUND,
  RESET,
  SCALE_OUT_DISABLED,
  startFakeTokenizer,
  UNKNOWN_MODEL,
  withoutRender,
} from '../../support/fake-tokenizer.ts';
import { HandClock } from '../../support/hand-clock.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

function promptOf(path: string, body: object): PromptRequest {
  // Spaces that only the client's own bytes have.
  const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body }, null, 1)));
  if (parsed.kind !== 'prompt') assert.fail('not a prompt');
  return parsed.prompt;
}

const chat = (content: string) => promptOf(CHAT, { messages: [{ role: 'user', content }] });

async function failure(tokenizing: Promise<unknown>): Promise<TokenizerError> {
  const error: unknown = await tokenizing.then(
    () => assert.fail('expected a rejection'),
    error => error,
  );
  if (!(error instanceof TokenizerError)) throw error;
  return error;
}

describe('createRemoteTokenizer', () => {
  let a: FakeTokenizer;
  let b: FakeTokenizer;
  let tokenizers: Tokenizer[] = [];
  let facts: TokenizeFact[] = [];
  let clock: HandClock;

  beforeEach(async () => {
    [a, b] = await Promise.all([startFakeTokenizer('pod-a'), startFakeTokenizer('pod-b')]);
    facts = [];
    clock = new HandClock(1000);
  });

  afterEach(async () => {
    await Promise.all(tokenizers.map(tokenizer => tokenizer.close()));
    tokenizers = [];
    await Promise.all([a.stop(), b.stop()]);
  });

  function create(options: Partial<RemoteTokenizerOptions> = {}): Tokenizer {
    const tokenizer = createRemoteTokenizer({
      timeoutMs: 4000,
      cacheBytes: 0,
      breaker: { failures: 3, halfOpenAfterMs: 1000 },
      maxConnectionsPerPod: 4,
      now: clock.now,
      sleep: clock.sleep,
      onCall: fact => facts.push(fact),
      ...options,
    });
    tokenizers.push(tokenizer);
    return tokenizer;
  }

  const never = new AbortController().signal;
  const ask = (tokenizer: Tokenizer, prompt: PromptRequest, pods: readonly Pod[] = [a.pod], signal = never) =>
    tokenizer.tokenize(prompt, pods, signal);
  const pathsOf = (fake: FakeTokenizer) => fake.requests.map(request => request.path);
  const callsOf = (kind: TokenizeFact['kind']) => facts.filter(fact => fact.kind === kind);

  describe('with engines that render', () => {
    for (const [path, body] of [
      [CHAT, { messages: [{ role: 'user', content: 'Grüße' }] }],
      [COMPLETIONS, { prompt: ['a', 'b'] }],
      [RESPONSES, { input: 'x', previous_response_id: 'r' }],
      [MESSAGES, { messages: [{ role: 'user', content: 'x' }], tools: [{}] }],
    ] as const) {
      it(`sends the client's own bytes to ${path}/render`, async () => {
        const prompt = promptOf(path, body);
        const tokens = await ask(create(), prompt);
        assert.equal(tokens.space, 'engine');
        assert.deepEqual(tokens.ids, Uint32Array.from(prompt.raw));
        assert.deepEqual(a.requests, [
          {
            method: 'POST',
            path: `${path}/render`,
            contentType: 'application/json',
            authorization: undefined,
            traceparent: undefined,
            text: Buffer.from(prompt.raw).toString(),
            body: prompt.body,
          },
        ]);
        assert.deepEqual(facts, [
          { kind: 'call', route: 'render', pod: a.pod, outcome: 'tokens', durationMs: 0 },
        ]);
      });
    }

    it('finds the API where urlOf says, with its path', async () => {
      const tokenizer = create({ urlOf: () => `http://127.0.0.1:${a.pod.port}/engine/` });
      await ask(tokenizer, chat('x'), [{ ...b.pod, ip: '192.0.2.1' }]);
      assert.deepEqual(pathsOf(a), [`/engine${CHAT}/render`]);
    });

    it('keeps connections alive', async () => {
      const tokenizer = create();
      for (let i = 0; i < 10; i++) await ask(tokenizer, chat(`${i}`));
      // A second one may open while the first still notices that its answer is complete.
      assert.isAtMost(a.connections, 2);
    });

    it('opens no more connections to a pod than allowed', async () => {
      const tokenizer = create({ maxConnectionsPerPod: 2 });
      await Promise.all(['v', 'w', 'x', 'y', 'z'].map(text => ask(tokenizer, chat(text))));
      assert.isAtMost(a.connections, 2);
      assert.lengthOf(a.requests, 5);
    });
  });

  describe('with engines that do not render', () => {
    for (const [what, absent] of [
      ['403', SCALE_OUT_DISABLED],
      ['404', NOT_FOUND],
      ['405', json(405, { detail: 'Method Not Allowed' })],
      ['401', json(401, { error: 'Unauthorized' })],
    ] as const) {
      it(`takes /tokenize after a ${what}, and remembers it`, async () => {
        a.answer = withoutRender(absent);
        const tokenizer = create();
        const { ids } = await ask(tokenizer, chat('x'));
        await ask(tokenizer, chat('y'));
        assert.deepEqual(pathsOf(a), [`${CHAT}/render`, '/tokenize', '/tokenize']);
        assert.deepEqual(a.requests[1]!.body, { model: 'm', messages: [{ role: 'user', content: 'x' }] });
        assert.deepEqual(ids, Uint32Array.from(Buffer.from(a.requests[1]!.text)));
      });
    }

    it('remembers it per pod and path', async () => {
      a.answer = request => (request.path === `${CHAT}/render` ? NOT_FOUND : answerBytes(request));
      const tokenizer = create();
      await ask(tokenizer, chat('x'));
      await ask(tokenizer, promptOf(COMPLETIONS, { prompt: 'x' }));
      await ask(tokenizer, chat('x'), [b.pod]);
      assert.deepEqual(pathsOf(a), [`${CHAT}/render`, '/tokenize', `${COMPLETIONS}/render`]);
      assert.deepEqual(pathsOf(b), [`${CHAT}/render`]);
    });

    it('does not take a new pod for the old one of the same name', async () => {
      a.answer = withoutRender(NOT_FOUND);
      const tokenizer = create();
      await ask(tokenizer, chat('x'));
      await ask(tokenizer, chat('y'), [{ ...b.pod, name: a.pod.name }]);
      assert.deepEqual(pathsOf(b), [`${CHAT}/render`]);
    });

    it('forgets it after a while', async () => {
      a.answer = withoutRender(SCALE_OUT_DISABLED);
      const tokenizer = create({ forgetMissingAfterMs: 500 });
      await ask(tokenizer, chat('x'));
      a.answer = answerBytes;
      clock.advance(500);
      await ask(tokenizer, chat('y'));
      clock.advance(1);
      await ask(tokenizer, chat('z'));
      assert.deepEqual(pathsOf(a), [`${CHAT}/render`, '/tokenize', '/tokenize', `${CHAT}/render`]);
    });

    it('forgets it after ten minutes unless told otherwise', async () => {
      a.answer = withoutRender(NOT_FOUND);
      const tokenizer = create();
      await ask(tokenizer, chat('x'));
      clock.advance(10 * 60 * 1000 + 1);
      await ask(tokenizer, chat('y'));
      assert.deepEqual(pathsOf(a), [`${CHAT}/render`, '/tokenize', `${CHAT}/render`, '/tokenize']);
    });

    it('has no tokens for what /tokenize has no form for, and says so', async () => {
      a.answer = withoutRender(NOT_FOUND);
      const tokenizer = create();
      const prompt = promptOf(RESPONSES, { input: 'x', previous_response_id: 'r' });
      for (let i = 0; i < 2; i++) assert.equal((await failure(ask(tokenizer, prompt))).kind, 'no_form');
      assert.deepEqual(pathsOf(a), [`${RESPONSES}/render`]);
      const fact: TokenizeFact = { kind: 'no_form', pod: a.pod, path: RESPONSES };
      assert.deepEqual(callsOf('no_form'), [fact, fact]);
    });

    it('has them from another pod that renders', async () => {
      a.answer = withoutRender(NOT_FOUND);
      const prompt = promptOf(RESPONSES, { input: 'x', previous_response_id: 'r' });
      const { ids } = await ask(create(), prompt, [a.pod, b.pod]);
      assert.deepEqual(ids, Uint32Array.from(prompt.raw));
      assert.deepEqual(pathsOf(b), [`${RESPONSES}/render`]);
    });

    it('has no tokens when /tokenize is missing too, and does not ask for it again', async () => {
      a.answer = () => NOT_FOUND;
      const tokenizer = create();
      for (const text of ['x', 'y']) {
        assert.equal((await failure(ask(tokenizer, chat(text)))).kind, 'no_form');
      }
      assert.deepEqual(pathsOf(a), [`${CHAT}/render`, '/tokenize']);
      assert.isEmpty(callsOf('breaker'));
    });
  });

  describe('with requests that the engine refuses', () => {
    const echo = json(400, {
      error: { message: "1 validation error: 'input': 'hunter2'", type: 'Bad Request' },
    });
    for (const [what, answer, paths] of [
      ['render answers 400', () => echo, [`${CHAT}/render`]],
      ['render does not know the model', () => UNKNOWN_MODEL, [`${CHAT}/render`]],
      ['/tokenize answers 400', withoutReading(echo), [`${CHAT}/render`, '/tokenize']],
      ['/tokenize does not know the model', withoutReading(UNKNOWN_MODEL), [`${CHAT}/render`, '/tokenize']],
    ] as const) {
      it(`asks nobody else when ${what}, and says nothing of the answer`, async () => {
        a.answer = answer;
        b.answer = answer;
        const tokenizer = create({ breaker: { failures: 1, halfOpenAfterMs: 1000 } });
        const error = await failure(ask(tokenizer, chat('hunter2'), [a.pod, b.pod]));
        assert.equal(error.kind, 'refused');
        assert.notInclude(error.message, 'hunter2');
        assert.deepEqual(pathsOf(a), [...paths]);
        assert.isEmpty(b.requests);
        assert.isEmpty(callsOf('breaker'));
      });
    }

    function withoutReading(answer: ReturnType<typeof json>) {
      return ({ path }: { path: string }) => (path === '/tokenize' ? answer : NOT_FOUND);
    }
  });

  describe('with pods that fail', () => {
    for (const [what, answer] of [
      ['answers 500', json(500, { error: { message: 'boom' } })],
      ['answers 429', json(429, undefined)],
      ['resets the connection', RESET],
      ['answers something else than JSON', { kind: 'text', status: 200, text: '<html>' }],
      ['answers without tokens', json(200, { token_ids: ['a'] })],
      ['answers with too many bytes', { kind: 'text', status: 200, text: ' '.repeat(2000) }],
    ] as const) {
      it(`asks another pod when one ${what}`, async () => {
        a.answer = () => answer;
        const { ids } = await ask(create({ maxResponseBytes: 1500 }), chat('x'), [a.pod, b.pod]);
        assert.isNotEmpty(ids);
        assert.deepEqual([a.requests.length, b.requests.length], [1, 1]);
        assert.deepEqual(callsOf('retry'), [{ kind: 'retry', pod: a.pod }]);
      });
    }

    it('asks another pod when nobody listens', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      server.close();
      await once(server, 'close');
      await ask(create(), chat('x'), [{ ...a.pod, port }, b.pod]);
      assert.lengthOf(b.requests, 1);
    });

    it('asks three, not more, and then is unavailable', async () => {
      const more = [await startFakeTokenizer('pod-c'), await startFakeTokenizer('pod-d')];
      const all = [a, b, ...more];
      for (const fake of all) fake.answer = () => json(503, {});
      const pods = all.map(({ pod }) => pod);
      const error = await failure(ask(create(), chat('x'), pods));
      await Promise.all(more.map(fake => fake.stop()));
      assert.equal(error.kind, 'unavailable');
      assert.lengthOf(
        all.flatMap(({ requests }) => requests),
        3,
      );
    });

    it('does not try the only pod twice', async () => {
      a.answer = () => json(503, {});
      assert.equal((await failure(ask(create(), chat('x')))).kind, 'unavailable');
      assert.lengthOf(a.requests, 1);
    });

    it('is unavailable without any pod', async () => {
      assert.equal((await failure(ask(create(), chat('x'), []))).kind, 'unavailable');
    });

    it('gives up when the time is over, be it in render or in /tokenize', async () => {
      for (const hang of [() => HANG, withoutRender(SCALE_OUT_DISABLED)]) {
        a.answer = async request => (request.path === '/tokenize' ? HANG : hang(request));
        const before = a.requests.length;
        const gone = a.abandoned(before === 0 ? 1 : 2);
        assert.equal((await failure(ask(create({ timeoutMs: 50 }), chat('x'), [a.pod]))).kind, 'timeout');
        await gone;
      }
      assert.equal(facts.filter(fact => fact.kind === 'call' && fact.outcome === 'timeout').length, 2);
    });
  });

  describe('with a pod that is slower than usual', () => {
    /** What an engine of which nothing is known may take. */
    const UNKNOWN_MS = 100;

    /** Asks, with `a` as the first, and moves the clock once that has been asked. */
    async function askSlow(tokenizer: Tokenizer, text: string) {
      const before = a.requests.length;
      const asking = ask(tokenizer, chat(text), [a.pod, b.pod]);
      await a.received(before + 1);
      clock.advance(UNKNOWN_MS);
      return asking;
    }

    it('asks another one beside it, takes the first answer and cancels the other call', async () => {
      a.answer = () => HANG;
      const gone = a.abandoned(1);
      const { ids } = await askSlow(create(), 'x');
      assert.isNotEmpty(ids);
      await gone;
      assert.deepEqual(callsOf('hedge'), [{ kind: 'hedge', pod: a.pod }]);
      assert.sameMembers(
        callsOf('call').map(fact => fact.kind === 'call' && `${fact.pod.name} ${fact.outcome}`),
        ['pod-b tokens', 'pod-a outrun'],
      );
    });

    it('takes its answer if that is the first after all', async () => {
      const released = Promise.withResolvers<void>();
      a.answer = async request => {
        await released.promise;
        return answerBytes(request);
      };
      b.answer = () => HANG;
      const gone = b.abandoned(1);
      const asking = ask(create(), chat('x'), [a.pod, b.pod]);
      await a.received(1);
      clock.advance(UNKNOWN_MS);
      await b.received(1);
      released.resolve();
      assert.isNotEmpty((await asking).ids);
      await gone;
    });

    it('asks nobody else before that, nor more than two at a time', async () => {
      const c = await startFakeTokenizer('pod-c');
      for (const fake of [a, b, c]) fake.answer = () => HANG;
      const caller = new AbortController();
      const asking = failure(ask(create(), chat('x'), [a.pod, b.pod, c.pod], caller.signal));
      await a.received(1);
      clock.advance(UNKNOWN_MS - 1);
      assert.isEmpty(callsOf('hedge'));
      clock.advance(1);
      await b.received(1);
      clock.advance(10 * UNKNOWN_MS);
      caller.abort();
      await asking;
      await c.stop();
      assert.deepEqual([a.requests.length, b.requests.length, c.requests.length], [1, 1, 0]);
    });

    it('waits for as long as is usual for prompts of this size', async () => {
      const tokenizer = create();
      a.answer = b.answer = request => {
        clock.advance(40);
        return answerBytes(request);
      };
      for (let i = 0; i < 8; i++) await ask(tokenizer, chat(`${i}`), [a.pod, b.pod]);
      a.answer = b.answer = answerBytes;
      await ask(tokenizer, chat('x'), [a.pod, b.pod]);
      await ask(tokenizer, chat('x'.repeat(100_000)), [a.pod, b.pod]);
      assert.deepEqual(clock.sleeps.all.slice(-2), [1.25 * 40, UNKNOWN_MS]);
    });

    it('does not double the work on prompts that are always late', async () => {
      const tokenizer = create();
      a.answer = b.answer = () => HANG;
      for (let i = 0; i < 4; i++) {
        const caller = new AbortController();
        const before = a.requests.length + b.requests.length;
        const asking = failure(ask(tokenizer, chat(`${i}`), [a.pod, b.pod], caller.signal));
        await eventually('one is asked', () => a.requests.length + b.requests.length > before);
        clock.advance(UNKNOWN_MS - 1);
        caller.abort(TOO_LATE);
        await asking;
      }
      a.answer = b.answer = answerBytes;
      await ask(tokenizer, chat('x'), [a.pod, b.pod]);
      assert.equal(clock.sleeps.all.at(-1), 1.25 * (UNKNOWN_MS - 1));
    });

    it('leaves it alone when it does not answer a probe either', async () => {
      const tokenizer = create({ breaker: { failures: 2, halfOpenAfterMs: 1000 } });
      a.answer = () => HANG;
      await askSlow(tokenizer, '1');
      await ask(tokenizer, chat('2'), [a.pod, b.pod]);
      await askSlow(tokenizer, '3');
      await a.received(3);
      assert.deepEqual(a.requests[2]!.body, { model: 'tiny', prompt: '.' });
      for (const text of ['4', '5']) await ask(tokenizer, chat(text), [a.pod, b.pod]);
      assert.lengthOf(a.requests, 3);
    });
  });

  describe('with a circuit breaker', () => {
    const breaker = { failures: 2, halfOpenAfterMs: 1000 };
    const isProbe = ({ body }: { readonly body: unknown }) => (body as { prompt?: unknown }).prompt === '.';
    const hasBeen = (...states: ('open' | 'closed')[]) =>
      eventually(`the circuit has been ${states.join(', then ')}`, () => {
        const told = callsOf('breaker').map(fact => fact.kind === 'breaker' && fact.state);
        return told.join() === states.join();
      });

    async function breakA(tokenizer: Tokenizer): Promise<void> {
      a.answer = () => json(500, {});
      for (const text of ['1', '2']) await failure(ask(tokenizer, chat(text)));
      await hasBeen('open');
      assert.deepEqual(callsOf('breaker'), [{ kind: 'breaker', pod: a.pod, state: 'open' }]);
      assert.deepEqual(a.requests.map(isProbe), [false, false, true]);
    }

    it('leaves a pod alone that fails in a row and then fails a probe, without counting that as a try', async () => {
      const tokenizer = create({ breaker });
      await breakA(tokenizer);
      assert.equal((await failure(ask(tokenizer, chat('3')))).kind, 'unavailable');
      b.answer = () => json(500, {});
      assert.equal((await failure(ask(tokenizer, chat('4'), [a.pod, b.pod]))).kind, 'unavailable');
      b.answer = answerBytes;
      await ask(tokenizer, chat('5'), [a.pod, b.pod]);
      assert.lengthOf(a.requests, 3);
    });

    it('leaves a pod to others where only some prompts make it fail', async () => {
      const tokenizer = create({ breaker });
      a.answer = request => (request.text.includes('poison') ? json(500, {}) : answerBytes(request));
      for (let i = 0; i < 6; i++) await failure(ask(tokenizer, chat(`poison ${i}`)));
      await eventually('it was probed', () => a.requests.some(isProbe));
      await ask(tokenizer, chat('x'));
      assert.isEmpty(callsOf('breaker'));
    });

    it('leaves a pod to others where only long prompts are late', async () => {
      const tokenizer = create({ breaker });
      a.answer = request => (request.text.length > 1000 ? HANG : answerBytes(request));
      for (let i = 0; i < 6; i++) {
        const caller = new AbortController();
        const before = a.requests.length;
        const asking = failure(ask(tokenizer, chat(`${i}`.repeat(2000)), [a.pod], caller.signal));
        await a.received(before + 1);
        caller.abort(TOO_LATE);
        await asking;
      }
      await eventually('it was probed', () => a.requests.some(isProbe));
      await ask(tokenizer, chat('x'));
      assert.isEmpty(callsOf('breaker'));
    });

    it('counts timeouts', async () => {
      const tokenizer = create({ breaker: { failures: 1, halfOpenAfterMs: 1000 }, timeoutMs: 20 });
      a.answer = () => HANG;
      assert.equal((await failure(ask(tokenizer, chat('x')))).kind, 'timeout');
      await hasBeen('open');
    });

    it('closes after a time with a successful probe, which is nobody’s prompt', async () => {
      const tokenizer = create({ breaker });
      await breakA(tokenizer);
      a.answer = answerBytes;
      clock.advance(999);
      assert.equal((await failure(ask(tokenizer, chat('3')))).kind, 'unavailable');
      assert.lengthOf(a.requests, 3);
      clock.advance(1);
      await ask(tokenizer, chat('4'), [a.pod, b.pod]);
      assert.lengthOf(b.requests, 1);
      await hasBeen('open', 'closed');
      await ask(tokenizer, chat('5'));
    });

    it('stays open when the probe fails', async () => {
      const tokenizer = create({ breaker });
      await breakA(tokenizer);
      clock.advance(1000);
      await ask(tokenizer, chat('3'), [a.pod, b.pod]);
      await hasBeen('open', 'open');
      clock.advance(999);
      await ask(tokenizer, chat('4'), [a.pod, b.pod]);
      assert.deepEqual(a.requests.map(isProbe), [false, false, true, true]);
      assert.lengthOf(b.requests, 2);
    });

    it('has one probe under way at most', async () => {
      const tokenizer = create({ breaker });
      await breakA(tokenizer);
      clock.advance(1000);
      const answered = Promise.withResolvers<void>();
      a.answer = async request => {
        await answered.promise;
        return answerBytes(request);
      };
      for (const text of ['3', '4', '5']) await ask(tokenizer, chat(text), [a.pod, b.pod]);
      await a.received(4);
      answered.resolve();
      await hasBeen('open', 'closed');
      assert.deepEqual([a.requests.length, b.requests.length], [4, 3]);
    });

    it('does not hold cancelled calls against a pod', async () => {
      const tokenizer = create({ breaker: { failures: 1, halfOpenAfterMs: 1000 } });
      a.answer = () => HANG;
      const caller = new AbortController();
      const call = failure(ask(tokenizer, chat('x'), [a.pod], caller.signal));
      await a.received(1);
      caller.abort();
      await call;
      await a.abandoned(1);
      a.answer = answerBytes;
      await ask(tokenizer, chat('x'));
      assert.lengthOf(a.requests, 2);
      assert.isEmpty(callsOf('breaker'));
    });

    it('does not probe after failures with successes or refusals between them', async () => {
      const tokenizer = create({ breaker });
      for (const answer of [500, 400, 500, 404, 500]) {
        a.answer = () => (answer === 404 ? UNKNOWN_MODEL : json(answer, {}));
        await failure(ask(tokenizer, chat('x')));
      }
      assert.lengthOf(a.requests, 5);
    });
  });

  describe('with several pods', () => {
    it('takes turns when nothing is under way', async () => {
      const tokenizer = create();
      for (const text of ['1', '2', '3', '4']) await ask(tokenizer, chat(text), [a.pod, b.pod]);
      assert.deepEqual([a.requests.length, b.requests.length], [2, 2]);
    });

    it('asks the pod with the fewest calls under way', async () => {
      const tokenizer = create();
      const released = Promise.withResolvers<void>();
      a.answer = async request => {
        await released.promise;
        return answerBytes(request);
      };
      const slow = ask(tokenizer, chat('slow'), [a.pod]);
      await a.received(1);
      for (const text of ['1', '2', '3']) await ask(tokenizer, chat(text), [a.pod, b.pod]);
      assert.deepEqual([a.requests.length, b.requests.length], [1, 3]);
      released.resolve();
      await slow;
    });
  });

  describe('with several callers', () => {
    it('shares concurrent calls for the same prompt only', async () => {
      const tokenizer = create();
      const [one, same, other] = await Promise.all([
        ask(tokenizer, chat('x'), [a.pod, b.pod]),
        ask(tokenizer, chat('x'), [a.pod, b.pod]),
        ask(tokenizer, chat('y'), [a.pod, b.pod]),
      ]);
      assert.strictEqual(one.ids, same.ids);
      assert.notDeepEqual(one.ids, other.ids);
      assert.equal(a.requests.length + b.requests.length, 2);
      assert.lengthOf(callsOf('shared'), 1);
    });

    it('cancels the call, down to the socket, when the last caller has gone', async () => {
      const tokenizer = create();
      a.answer = () => HANG;
      const [first, second] = [new AbortController(), new AbortController()];
      const calls = [first, second].map(({ signal }) => failure(ask(tokenizer, chat('x'), [a.pod], signal)));
      await a.received(1);
      first.abort();
      assert.equal((await calls[0]!).kind, 'aborted');
      assert.isEmpty(callsOf('call'));
      const gone = a.abandoned(1);
      second.abort();
      assert.equal((await calls[1]!).kind, 'aborted');
      await gone;
      assert.lengthOf(a.requests, 1);
    });

    it('asks nobody for a caller who has gone already', async () => {
      const error = await failure(ask(create(), chat('x'), [a.pod], AbortSignal.abort()));
      assert.equal(error.kind, 'aborted');
      assert.isEmpty(a.requests);
    });
  });

  describe('with a cache', () => {
    it('asks once for the same path and bytes, whatever the pod', async () => {
      const tokenizer = create({ cacheBytes: 100_000 });
      const { ids } = await ask(tokenizer, chat('x'));
      assert.strictEqual((await ask(tokenizer, chat('x'), [b.pod])).ids, ids);
      assert.deepEqual(facts.at(-1), { kind: 'hit' });
      assert.lengthOf(a.requests, 1);
      assert.isEmpty(b.requests);
    });

    it('tells apart what differs in path, model or any other byte', async () => {
      const tokenizer = create({ cacheBytes: 100_000 });
      const messages = [{ role: 'user', content: 'x' }];
      await ask(tokenizer, promptOf(CHAT, { messages }));
      await ask(tokenizer, promptOf(MESSAGES, { messages }));
      await ask(tokenizer, promptOf(CHAT, { messages, model: 'other' }));
      await ask(tokenizer, promptOf(CHAT, { messages, add_generation_prompt: false }));
      assert.lengthOf(a.requests, 4);
    });

    it('stays within its bytes', async () => {
      const tokenizer = create({ cacheBytes: 10_000 });
      for (const text of ['1', '2', '3']) await ask(tokenizer, chat(text.repeat(1000)));
      await ask(tokenizer, chat('3'.repeat(1000)));
      await ask(tokenizer, chat('1'.repeat(1000)));
      assert.lengthOf(a.requests, 4);
    });

    it('does not keep failures', async () => {
      const tokenizer = create({ cacheBytes: 100_000 });
      a.answer = () => json(500, {});
      await failure(ask(tokenizer, chat('x')));
      a.answer = answerBytes;
      await ask(tokenizer, chat('x'));
      assert.lengthOf(a.requests, 2);
    });
  });

  it('needs no engine for token ids', async () => {
    const tokens = await ask(create(), promptOf(COMPLETIONS, { prompt: [1, 2] }), []);
    assert.deepEqual(tokens, { space: 'engine', ids: Uint32Array.of(1, 2) });
  });

  it('has no tokens for a request without a prompt', async () => {
    const tokenizing = ask(create(), promptOf('/v1/rerank', {}));
    assert.instanceOf(await tokenizing.catch((error: unknown) => error), TypeError);
  });

  it('cancels what is under way when closed', async () => {
    const tokenizer = create();
    a.answer = () => HANG;
    const call = failure(ask(tokenizer, chat('x')));
    await a.received(1);
    const gone = a.abandoned(1);
    await tokenizer.close();
    assert.equal((await call).kind, 'aborted');
    await gone;
    assert.equal((await failure(ask(tokenizer, chat('x')))).kind, 'unavailable');
  });

  it('works with nothing but the settings that have no default', async () => {
    const tokenizer = createRemoteTokenizer({
      timeoutMs: 4000,
      cacheBytes: 1000,
      breaker: { failures: 1, halfOpenAfterMs: 1000 },
      maxConnectionsPerPod: 1,
    });
    tokenizers.push(tokenizer);
    a.answer = withoutRender(NOT_FOUND);
    assert.isNotEmpty((await ask(tokenizer, chat('x'))).ids);
  });
});
