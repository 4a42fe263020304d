import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import type { BlockChain, Pod } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { type Confirmation, Confirmations, type Doubt } from '../../src/routing/confirmations.ts';
import { blockForm, chainOf, slice, tokenIds } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { HandClock } from '../support/hand-clock.ts';

const CHAT = '/v1/chat/completions';
const GRACE_MS = 2_000;
const a = aPod({ name: 'a', port: 1 });
const b = aPod({ name: 'b', port: 2 });

describe('predicted prompts', () => {
  let clock: HandClock;
  let cache: CacheState;
  let confirmations: Confirmations;
  let verdicts: Confirmation[];
  let doubts: Doubt[];
  let unfollowed: Set<Pod>;
  let nextPrompt: number;

  beforeEach(() => {
    clock = new HandClock();
    cache = aCacheState();
    verdicts = [];
    doubts = [];
    unfollowed = new Set();
    nextPrompt = 0;
    confirmations = new Confirmations({
      ...{ index: cache.index, holders: cache.holders, catalog: cache.catalog, now: clock.now },
      isFollowed: pod => !unfollowed.has(pod),
      onConfirmation: each => void verdicts.push(each),
      onDoubt: doubt => void doubts.push(doubt),
    });
  });

  const aPrompt = (blocks = 4): BlockChain => chainOf(tokenIds(blocks, ++nextPrompt));

  function announce(pod: Pod, chain: BlockChain, kind: 'gpu' | 'anywhere' = 'gpu'): void {
    const holder = cache.holders.ensure(pod.name, { kind, rank: 0 });
    cache.index.store(holder, chain, { after: START, engineHashes: undefined, again: 'same' });
  }

  /** Apart from others by more than the least time between two. */
  function predict(pod: Pod, chain: BlockChain, { model = 'demo', endpoint = CHAT } = {}) {
    clock.advance(10);
    return confirmations.predict(pod, model, endpoint, () => [chain]);
  }

  /** One prompt from its decision to its end. */
  function exchange(
    pod: Pod,
    what: 'announced' | 'silent',
    given: { model?: string; endpoint?: string } = {},
  ) {
    const chain = aPrompt();
    const predicted = predict(pod, chain, given);
    predicted?.answered();
    if (what === 'announced') announce(pod, chain);
    predicted?.ended();
  }

  /** What the grace of all that have ended comes to. */
  function settled(): string[] {
    clock.advance(GRACE_MS);
    confirmations.settle();
    return verdicts.map(({ verdict }) => verdict);
  }

  it('are confirmed when their pod announces their blocks', () => {
    const chain = aPrompt();
    const predicted = predict(a, chain)!;
    predicted.answered();
    announce(a, chain);
    predicted.ended();
    assert.deepEqual(verdicts, [{ pod: a, model: 'demo', endpoint: CHAT, verdict: 'confirmed' }]);
    assert.deepEqual(settled(), ['confirmed']);
    assert.deepEqual(confirmations.countsOf('a'), { confirmed: 1, unconfirmed: 0 });
  });

  it('are confirmed by what comes a little later', () => {
    const chain = aPrompt();
    const predicted = predict(a, chain)!;
    predicted.answered();
    predicted.ended();
    clock.advance(GRACE_MS - 1);
    confirmations.settle();
    assert.isEmpty(verdicts);
    announce(a, chain);
    assert.deepEqual(settled(), ['confirmed']);
  });

  it('are confirmed by what comes soon, and is evicted before the grace is over', () => {
    const chain = aPrompt();
    const predicted = predict(a, chain)!;
    predicted.answered();
    predicted.ended();
    announce(a, chain);
    clock.advance(50);
    confirmations.settle();
    cache.index.clear(cache.holders.find('a', { kind: 'gpu', rank: 0 })!);
    assert.deepEqual(settled(), ['confirmed']);
  });

  it('are confirmed by what the pod holds in any tier', () => {
    const chain = aPrompt();
    const predicted = predict(a, chain)!;
    predicted.answered();
    announce(a, chain, 'anywhere');
    predicted.ended();
    assert.deepEqual(settled(), ['confirmed']);
  });

  it('are unconfirmed when nothing comes', () => {
    exchange(a, 'silent');
    assert.deepEqual(settled(), ['unconfirmed']);
    assert.deepEqual(confirmations.countsOf('a'), { confirmed: 0, unconfirmed: 1 });
  });

  it('are unconfirmed when another pod announces them, or only what was expected does', () => {
    const chain = aPrompt();
    const predicted = predict(a, chain)!;
    cache.history.store('a', chain);
    announce(b, chain);
    predicted.answered();
    predicted.ended();
    assert.deepEqual(settled(), ['unconfirmed']);
  });

  it('are compared by their first new block', () => {
    const [known, other] = [aPrompt(6), aPrompt(6)];
    announce(a, slice(known, 0, 3));
    const [one, two] = [predict(a, known)!, predict(a, other)!];
    for (const each of [one, two]) each.answered();
    announce(a, slice(known, 0, 4));
    for (const each of [one, two]) each.ended();
    assert.deepEqual(settled(), ['confirmed', 'unconfirmed']);
  });

  it('are not judged when nothing of them is new, or they have no full block', () => {
    const known = aPrompt();
    announce(a, known);
    assert.isUndefined(predict(a, known));
    assert.isUndefined(predict(a, aPrompt(0)));
  });

  it('are not judged while it is not known how the pod names them', () => {
    clock.advance(10);
    assert.isUndefined(confirmations.predict(a, 'demo', CHAT, () => []));
    assert.isUndefined(confirmations.predict(a, 'demo', CHAT, () => [aPrompt(), aPrompt()]));
  });

  it('are not judged of pods whose events do not reach us by our own doing', () => {
    unfollowed.add(a);
    assert.isUndefined(predict(a, aPrompt()));
    assert.isDefined(predict(b, aPrompt()));
  });

  it('are not judged where it turns out that the pod’s blocks have another size', () => {
    exchange(a, 'silent');
    cache.catalog.note(cache.holders.ensure('a', { kind: 'gpu', rank: 0 }), 'demo', blockForm(32), 'base');
    assert.isEmpty(settled());
    exchange(a, 'silent');
    cache.catalog.note(cache.holders.ensure('a', { kind: 'gpu', rank: 0 }), 'sql', blockForm(1), 'adapter');
    assert.deepEqual(settled(), ['unconfirmed'], 'and this size as well');
  });

  it('are not judged unless they are answered well', () => {
    predict(a, aPrompt())!.ended();
    assert.isEmpty(settled());
  });

  it('are judged once, however often their exchange ends', () => {
    const predicted = predict(a, aPrompt())!;
    predicted.answered();
    for (let i = 0; i < 3; i++) predicted.ended();
    assert.deepEqual(settled(), ['unconfirmed']);
    predicted.ended();
    predicted.answered();
    assert.deepEqual(settled(), ['unconfirmed']);
  });

  it('are not judged when the pod’s stream has broken meanwhile, at whatever time', () => {
    const [waiting, ended, others] = [predict(a, aPrompt())!, predict(a, aPrompt())!, predict(b, aPrompt())!];
    for (const each of [waiting, ended, others]) each.answered();
    for (const each of [ended, others]) each.ended();
    confirmations.interrupted('a');
    waiting.ended();
    assert.deepEqual(settled(), ['unconfirmed']);
    assert.deepEqual(verdicts[0]?.pod, b);
  });

  it('are not judged while a connection to the pod is lost, of whichever rank', () => {
    confirmations.resumed('a', 0);
    const before = predict(a, aPrompt())!;
    before.answered();
    for (const rank of [0, 1]) confirmations.broke('a', rank);
    before.ended();
    assert.isUndefined(predict(a, aPrompt()));
    confirmations.resumed('a', 1);
    assert.isUndefined(predict(a, aPrompt()));
    assert.isDefined(predict(b, aPrompt()));
    confirmations.resumed('a', 0);
    assert.isDefined(predict(a, aPrompt()));
    assert.isEmpty(settled());
    confirmations.broke('a', 0);
    confirmations.left(a);
    assert.isDefined(predict(a, aPrompt()));
  });

  it('go with their pod, and its counts', () => {
    exchange(a, 'announced');
    exchange(a, 'silent');
    confirmations.left(a);
    assert.deepEqual(settled(), ['confirmed']);
    assert.deepEqual(confirmations.countsOf('a'), { confirmed: 0, unconfirmed: 0 });
  });

  describe('take a bounded part', () => {
    it('of the time: one of a model and endpoint in 10 ms', () => {
      assert.isDefined(predict(a, aPrompt()));
      clock.advance(9);
      assert.isUndefined(confirmations.predict(a, 'demo', CHAT, () => assert.fail('hashes were asked for')));
      assert.isDefined(confirmations.predict(a, 'other', CHAT, () => [aPrompt()]));
      assert.isDefined(confirmations.predict(a, 'demo', '/v1/completions', () => [aPrompt()]));
      clock.advance(1);
      assert.isDefined(confirmations.predict(a, 'demo', CHAT, () => [aPrompt()]));
    });

    it('of the memory: 512 prompts, and none again before one has ended', () => {
      const all = Array.from({ length: 512 }, () => predict(a, aPrompt()));
      assert.isTrue(all.every(each => each !== undefined));
      assert.isUndefined(predict(a, aPrompt()));
      all[7]!.ended();
      assert.isDefined(predict(a, aPrompt()));
    });

    it('of the memory: none of a prompt of which 2,048 blocks are announced already', () => {
      const [long, longer] = [aPrompt(2_049), aPrompt(2_049)];
      announce(a, slice(long, 0, 2_047));
      announce(a, slice(longer, 0, 2_048));
      assert.isDefined(predict(a, long));
      assert.isUndefined(predict(a, longer));
    });

    it('of the models: 1,024, and others when those are served no more', () => {
      for (let i = 0; i < 1_024; i++) {
        exchange(a, 'announced', { model: `model ${i}` });
      }
      assert.isUndefined(predict(a, aPrompt(), { model: 'one more' }));
      confirmations.retain(model => model !== 'model 0');
      assert.isDefined(predict(a, aPrompt(), { model: 'one more' }));
    });
  });

  describe('are in doubt', () => {
    function exchanges(count: number, pod: Pod, what: 'announced' | 'silent', given = {}): void {
      for (let i = 0; i < count; i++) exchange(pod, what, given);
      clock.advance(GRACE_MS);
      confirmations.settle();
    }

    it('when more than 20 of 100 of the last 50 are unconfirmed: once, with model and endpoint', () => {
      exchanges(39, a, 'announced');
      exchanges(10, b, 'silent');
      assert.isEmpty(doubts);
      exchanges(60, b, 'silent');
      assert.deepEqual(doubts, [
        { kind: 'doubted', pod: undefined, model: 'demo', endpoint: CHAT, unconfirmed: 11, of: 50 },
      ]);
    });

    it('each model and endpoint by itself', () => {
      exchanges(50, a, 'announced');
      exchanges(49, b, 'announced', { endpoint: '/v1/completions' });
      exchanges(11, b, 'silent', { endpoint: '/v1/completions' });
      assert.deepEqual(
        doubts.map(({ endpoint, pod }) => [endpoint, pod]),
        [['/v1/completions', undefined]],
      );
    });

    it('until they are announced again', () => {
      exchanges(50, a, 'silent');
      exchanges(60, a, 'announced');
      assert.deepEqual(
        doubts.map(({ kind, unconfirmed }) => [kind, unconfirmed]),
        [
          ['doubted', 50],
          ['confirmed_again', 5],
        ],
      );
    });

    it('again of a pod that has got out of it', () => {
      const others = Array.from({ length: 9 }, (_, i) => aPod({ name: `well-${i}`, port: 100 + i }));
      for (const what of ['silent', 'announced'] as const) {
        for (let i = 0; i < 60; i++) {
          for (const pod of others) exchange(pod, 'announced');
          exchanges(1, b, what);
        }
      }
      assert.deepEqual(
        doubts.map(({ kind, pod }) => [kind, pod?.name]),
        [
          ['doubted', 'b'],
          ['confirmed_again', 'b'],
        ],
      );
    });

    it('of a pod that is one of many such is no news, nor that it has got out of it', () => {
      exchanges(30, a, 'silent');
      exchanges(60, b, 'silent');
      exchanges(60, b, 'announced');
      assert.deepEqual(
        doubts.map(({ kind, pod }) => [kind, pod?.name]),
        [
          ['doubted', undefined],
          ['confirmed_again', undefined],
        ],
      );
    });

    it('of a pod that is well at another endpoint is no news either: the doubt is of the endpoint', () => {
      exchanges(15, a, 'silent');
      exchanges(45, b, 'silent');
      exchanges(60, b, 'announced', { endpoint: '/v1/completions' });
      assert.deepEqual(
        doubts.map(({ kind, pod, endpoint }) => [kind, pod?.name, endpoint]),
        [['doubted', undefined, CHAT]],
      );
    });

    it('of one pod alone, when the others’ are well', () => {
      const others = Array.from({ length: 9 }, (_, i) => aPod({ name: `well-${i}`, port: 100 + i }));
      for (let i = 0; i < 60; i++) {
        for (const pod of others) exchange(pod, 'announced');
        exchange(b, 'silent');
        clock.advance(GRACE_MS);
        confirmations.settle();
      }
      assert.deepEqual(doubts, [
        { kind: 'doubted', pod: b, model: 'demo', endpoint: CHAT, unconfirmed: 50, of: 50 },
      ]);
    });
  });
});
