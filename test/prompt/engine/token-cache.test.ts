import { assert } from 'chai';
import {
  type CacheOutcome,
  createTokenCache,
  type EngineTokens,
  type TokenCache,
} from '../../../src/prompt/engine/token-cache.ts';
import { TokenizerError } from '../../../src/prompt/tokenizer.ts';

const tokens = (ids: Uint32Array, media: EngineTokens['media'] = []): EngineTokens => ({ ids, media });
const ONE = tokens(Uint32Array.of(1));
const never = new AbortController().signal;

/** A computation that the test ends by hand. */
class Job {
  readonly result = Promise.withResolvers<EngineTokens>();
  signal: AbortSignal | undefined;
  readonly compute = (signal: AbortSignal): Promise<EngineTokens> => {
    this.signal = signal;
    return this.result.promise;
  };
}

function get(cache: TokenCache, key: string, job: Job, signal = never) {
  const outcomes: CacheOutcome[] = [];
  const ids = cache.get(key, signal, job.compute, outcome => outcomes.push(outcome));
  return { ids, outcomes };
}

async function kindOf(ids: Promise<EngineTokens>): Promise<string> {
  const error: unknown = await ids.then(
    () => assert.fail('expected a rejection'),
    error => error,
  );
  if (!(error instanceof TokenizerError)) throw error;
  return error.kind;
}

async function fill(cache: TokenCache, key: string, ids: EngineTokens): Promise<void> {
  const job = new Job();
  job.result.resolve(ids);
  await get(cache, key, job).ids;
}

describe('createTokenCache', () => {
  it('computes once and keeps the result', async () => {
    const cache = createTokenCache(10_000);
    await fill(cache, 'a', ONE);
    const again = get(cache, 'a', new Job());
    assert.strictEqual(await again.ids, ONE);
    assert.deepEqual(again.outcomes, ['hit']);
  });

  it('shares a computation under way, and the very array', async () => {
    const cache = createTokenCache(0);
    const job = new Job();
    const calls = [get(cache, 'a', job), get(cache, 'a', new Job()), get(cache, 'b', new Job())];
    job.result.resolve(ONE);
    assert.strictEqual(await calls[0]!.ids, ONE);
    assert.strictEqual(await calls[1]!.ids, ONE);
    assert.deepEqual(
      calls.map(call => call.outcomes[0]),
      ['computed', 'shared', 'computed'],
    );
  });

  it('keeps nothing when it may hold no bytes', async () => {
    const cache = createTokenCache(0);
    await fill(cache, 'a', ONE);
    assert.deepEqual(get(cache, 'a', new Job()).outcomes, ['computed']);
  });

  it('drops what was used longest ago to stay within its bytes', async () => {
    const cache = createTokenCache(10_000);
    const kilobytes4 = tokens(new Uint32Array(1000));
    await fill(cache, 'a', kilobytes4);
    await fill(cache, 'b', kilobytes4);
    get(cache, 'a', new Job());
    await fill(cache, 'c', kilobytes4);
    await fill(cache, 'too long', tokens(new Uint32Array(3000)));
    const outcomes = ['a', 'b', 'c', 'too long'].map(key => get(cache, key, new Job()).outcomes[0]);
    assert.deepEqual(outcomes, ['hit', 'computed', 'hit', 'computed']);
  });

  it('counts what it keeps of images', async () => {
    const cache = createTokenCache(10_000);
    const media = Array.from({ length: 60 }, (_, i) => ({
      identifier: 'x'.repeat(64),
      offset: i,
      length: 1,
    }));
    await fill(cache, 'a', tokens(Uint32Array.of(1), media));
    assert.deepEqual(get(cache, 'a', new Job()).outcomes, ['computed']);
  });

  it('does not keep failures', async () => {
    const cache = createTokenCache(10_000);
    const job = new Job();
    const calls = [get(cache, 'a', job), get(cache, 'a', job)];
    job.result.reject(new TokenizerError('unavailable', 'down'));
    assert.deepEqual(await Promise.all(calls.map(call => kindOf(call.ids))), ['unavailable', 'unavailable']);
    assert.deepEqual(get(cache, 'a', new Job()).outcomes, ['computed']);
  });

  it('lets one caller go without the others, and cancels with the last', async () => {
    const cache = createTokenCache(10_000);
    const job = new Job();
    const [first, second] = [new AbortController(), new AbortController()];
    const calls = [get(cache, 'a', job, first.signal), get(cache, 'a', job, second.signal)];
    first.abort();
    assert.equal(await kindOf(calls[0]!.ids), 'aborted');
    assert.isFalse(job.signal!.aborted);
    second.abort();
    assert.equal(await kindOf(calls[1]!.ids), 'aborted');
    assert.isTrue(job.signal!.aborted);
  });

  it('starts anew after everybody has gone, and is not confused by the late result', async () => {
    const cache = createTokenCache(10_000);
    const given = new Job();
    const gone = new AbortController();
    const call = get(cache, 'a', given, gone.signal);
    gone.abort();
    assert.equal(await kindOf(call.ids), 'aborted');
    const job = new Job();
    const anew = get(cache, 'a', job);
    assert.deepEqual(anew.outcomes, ['computed']);
    given.result.resolve(tokens(Uint32Array.of(9)));
    job.result.resolve(ONE);
    assert.strictEqual(await anew.ids, ONE);
    assert.strictEqual(await get(cache, 'a', new Job()).ids, ONE);
  });

  it('starts nothing for a caller who has gone already', async () => {
    const job = new Job();
    assert.equal(await kindOf(get(createTokenCache(0), 'a', job, AbortSignal.abort()).ids), 'aborted');
    assert.isUndefined(job.signal);
  });

  it('cancels and forgets when cleared', async () => {
    const cache = createTokenCache(10_000);
    await fill(cache, 'kept', ONE);
    const job = new Job();
    const call = get(cache, 'a', job);
    cache.clear();
    assert.isTrue(job.signal!.aborted);
    job.result.resolve(ONE);
    await call.ids;
    assert.deepEqual(get(cache, 'kept', new Job()).outcomes, ['computed']);
    assert.deepEqual(get(cache, 'a', new Job()).outcomes, ['computed']);
  });
});
