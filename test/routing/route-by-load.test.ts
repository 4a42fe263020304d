import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import type { Tokens } from '../../src/domain.ts';
import { TokenizerError, type TokenizerErrorKind } from '../../src/prompt/tokenizer.ts';
import { a, aRequest, b, c, NEVER, RouteBench, routed, TOKENS } from '../support/route-bench.ts';

/** Never answers and does not listen. */
const deaf = () => new Promise<Tokens>(() => {});

describe('a request is routed by load', () => {
  let bench: RouteBench;

  /** `a` and `b`, the holder, are busy. */
  beforeEach(() => {
    bench = new RouteBench();
    bench.load.begin(a);
    bench.load.begin(b);
  });

  async function assertByLoad(
    reason: string,
    { request = aRequest(), signal = NEVER, route = bench.route } = {},
  ) {
    const decision = routed(await route(request, signal));
    assert.equal(decision.reason, reason);
    assert.deepEqual(
      [decision.pod, decision.strategy.text, decision.matchedBlocks, decision.totalBlocks, decision.offGpu],
      [c, 'prefix-cache', 0, 0, { cpu: 0, storage: 0 }],
    );
    assert.isEmpty(bench.remembered);
  }

  it('when there is one pod only: nothing is tokenized', async () => {
    bench.serving = [c];
    await assertByLoad('only_pod');
    assert.isEmpty(bench.tokenized);
  });

  it('when the endpoint has no prompt: nothing is tokenized', async () => {
    await assertByLoad('no_prompt', {
      request: aRequest({ path: '/v1/embeddings' }, { model: 'demo', input: 'Hi' }),
    });
    assert.isEmpty(bench.tokenized);
  });

  for (const kind of ['unavailable', 'timeout', 'aborted'] satisfies TokenizerErrorKind[]) {
    it(`when the tokenizer fails: ${kind}`, async () => {
      bench.tokenize = () => Promise.reject(new TokenizerError(kind, 'no'));
      await assertByLoad('tokenizer_failed');
      assert.isEmpty(bench.looked);
    });
  }

  it('when the engine refuses the prompt, which is nobody’s failure', async () => {
    bench.tokenize = () => Promise.reject(new TokenizerError('refused', 'too long'));
    await assertByLoad('prompt_refused');
  });

  it('when the lookup fails', async () => {
    bench.lookup = () => {
      throw new RangeError('a bug');
    };
    await assertByLoad('index_failed');
  });

  it('when the tokenizer throws at once', async () => {
    bench.tokenize = () => {
      throw new TypeError('a bug');
    };
    await assertByLoad('tokenizer_failed');
  });

  it('when the tokenizer rejects with something that is no TokenizerError', async () => {
    bench.tokenize = () => Promise.reject(new TypeError('a bug'));
    await assertByLoad('tokenizer_failed');
  });

  it('when the tokenizer is late and does not listen to its signal', async () => {
    bench.tokenize = deaf;
    await assertByLoad('deadline', { route: bench.create({ deadlineMs: 1 }) });
  });

  it('when the tokenizer is late and says so itself', async () => {
    bench.tokenize = (_prompt, _pods, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new TokenizerError('aborted', 'late')));
      });
    await assertByLoad('deadline', { route: bench.create({ deadlineMs: 1 }) });
  });

  it('when the tokenizer fails after the deadline, which troubles nobody', async () => {
    let fail = () => {};
    bench.tokenize = () =>
      new Promise((_, reject) => {
        fail = () => reject(new TokenizerError('unavailable', 'much later'));
      });
    await assertByLoad('deadline', { route: bench.create({ deadlineMs: 1 }) });
    fail();
  });

  it('when the client goes while its prompt is tokenized', async () => {
    const client = new AbortController();
    bench.tokenize = () => {
      client.abort();
      return deaf();
    };
    await assertByLoad('cancelled', { signal: client.signal });
  });

  it('when the client has gone before, and the tokenizer is told', async () => {
    let told: boolean | undefined;
    bench.tokenize = (_prompt, _pods, signal) => {
      told = signal.aborted;
      return deaf();
    };
    await assertByLoad('cancelled', { signal: AbortSignal.abort() });
    assert.isTrue(told);
  });

  it('and leaves neither a timer nor a listener behind, whatever the outcome', async () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const client = new AbortController();
    // Mocha starts its own timer for this test once it has got the promise.
    await setImmediate();
    const before = timers();
    const outcomes: (typeof bench.tokenize)[] = [
      async () => TOKENS,
      () => Promise.reject(new TokenizerError('refused', 'no')),
      () => {
        client.abort();
        return deaf();
      },
    ];
    for (const tokenize of outcomes) {
      bench.tokenize = tokenize;
      await bench.route(aRequest(), client.signal);
      assert.equal(timers(), before);
      assert.isEmpty(getEventListeners(client.signal, 'abort'));
    }
  });
});
