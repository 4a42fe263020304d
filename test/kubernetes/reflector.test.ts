import { assert } from 'chai';
import type {
  KubeClient,
  KubernetesErrorKind,
  ReflectorFact,
  ReflectorOptions,
} from '../../src/kubernetes/kubernetes.ts';
import { eventually } from '../support/eventually.ts';
import {
  FakeKubeApi,
  type Fault,
  INFERENCE_POOLS,
  type KubeObject,
  type KubeRequest,
} from '../support/fake-kube-api.ts';
import { HandClock } from '../support/hand-clock.ts';
import { connectTo } from '../support/kube-access.ts';
import { type Kept, keep, keptOf, type Reflected, reflect } from '../support/reflected.ts';

/** Chance is always a half. */
const FIRST_WAIT_MS = 250;
const ANSWER_MS = 30_000;
const SILENCE_MS = 90_000;
const STEADY_MS = 5_000;
const PUBLISH_EVERY_MS = 50;

describe('the reflector', () => {
  let api: FakeKubeApi;
  let client: KubeClient;
  let clock: HandClock;
  let made: Reflected[];

  beforeEach(async () => {
    api = await FakeKubeApi.start();
    client = await connectTo(api.url);
    clock = new HandClock();
    made = [];
  });

  afterEach(async () => {
    await Promise.all(made.map(({ reflector }) => reflector.stop()));
    assert.equal(clock.sleeping, 0, 'timers are left');
    await client.close();
    await eventually('no connection is left', async () => (await api.connections()) === 0);
    await api.close();
  });

  function start(options: Partial<ReflectorOptions<Kept>> = {}): Reflected {
    const reflected = reflect(client, { sleep: clock.sleep, now: clock.now, random: () => 0.5, ...options });
    made.push(reflected);
    return reflected;
  }

  async function watching(options: Partial<ReflectorOptions<Kept>> = {}): Promise<Reflected> {
    const reflected = start(options);
    await reflected.fact('watching');
    await reflected.sets.next();
    return reflected;
  }

  const pod = (name: string, more: Partial<KubeObject> = {}) =>
    api.put({ metadata: { name, namespace: 'serving' }, ...more });

  /** Waits for a sleep of this length and ends it. */
  async function pass(ms: number): Promise<void> {
    await clock.sleeps.until(slept => slept === ms);
    clock.advance(ms);
  }

  function failOnce(kind: KubeRequest['kind'], fault: Fault): void {
    let isDone = false;
    api.fault = request => {
      if (isDone || request.kind !== kind) return undefined;
      isDone = true;
      return fault;
    };
  }

  const watchedFrom = () => api.watches.all.map(({ query }) => Number(query.get('resourceVersion')));

  describe('lists, then watches', () => {
    it('and tells the whole set after each change', async () => {
      pod('a');
      const { reflector, sets } = start({ query: { labelSelector: 'x' } });
      assert.isFalse(reflector.hasListed);
      assert.deepEqual(await sets.next(), new Map(), 'also when it is empty');
      assert.isTrue(reflector.hasListed);
      const labelled = pod('a', { metadata: { name: 'a', namespace: 'serving', labels: { x: '' } } });
      await pass(PUBLISH_EVERY_MS);
      assert.deepEqual(await sets.next(), keptOf([labelled]));
      pod('a');
      await pass(PUBLISH_EVERY_MS);
      assert.deepEqual(await sets.next(), new Map(), 'it has left the selector');
    });

    it('with bookmarks, for five to ten minutes', async () => {
      await watching({ random: () => 0 });
      await watching({ random: () => 0.999 });
      const asked = api.watches.all.map(({ query }) => [
        query.get('allowWatchBookmarks'),
        query.get('timeoutSeconds'),
      ]);
      assert.deepEqual(asked, [
        ['true', '300'],
        ['true', '600'],
      ]);
    });

    it('in smaller pages, where somebody has made objects that are very long', async () => {
      for (let i = 0; i < 30; i++) pod(`p${i}`, { spec: { long: 'x'.repeat(1_000_000) } });
      const { fact } = start();
      assert.deepInclude(await fact('listed'), { objects: 30, pages: 6 });
      const limits = api.requests.all.map(({ query }) => query.get('limit'));
      assert.deepEqual(limits.slice(0, 3), ['100', '25', '5']);
    });

    it('in pages, whose objects come into force together', async () => {
      for (let i = 0; i < 240; i++) pod(`pod-${i}`);
      const { fact, sets } = start();
      const listed = await fact('listed');
      assert.deepInclude(listed, { objects: 240, pages: 3 });
      assert.equal((await sets.next()).size, 240);
      assert.equal(sets.all.length, 1);
      assert.deepEqual(
        api.requests.all.filter(({ kind }) => kind !== 'watch').map(({ query }) => query.get('limit')),
        ['100', '100', '100'],
      );
    });

    it('and shows no list that is not complete', async () => {
      for (let i = 0; i < 200; i++) pod(`pod-${i}`);
      const { fact, sets } = start();
      failOnce('page', { kind: 'reset' });
      await fact('failed');
      assert.lengthOf(sets.all, 0);
      await pass(FIRST_WAIT_MS);
      assert.equal((await sets.next()).size, 200);
    });

    it('from the start when a continue token has expired', async () => {
      for (let i = 0; i < 200; i++) pod(`pod-${i}`);
      api.fault = ({ kind }) => {
        if (kind === 'page' && api.count('page') === 1) api.compact();
        return undefined;
      };
      const { fact, sets } = start();
      assert.equal((await fact('relist')).reason, 'list_expired');
      await pass(FIRST_WAIT_MS);
      assert.equal((await sets.next()).size, 200);
    });
  });

  describe('changes', () => {
    it('come at most once in 50 ms, the first one at once', async () => {
      const { sets, facts } = await watching();
      const heard = () => facts.all.filter(({ kind }) => kind === 'sign_of_life').length;
      const before = heard();
      clock.advance(PUBLISH_EVERY_MS);
      const first = pod('a');
      assert.deepEqual(await sets.next(), keptOf([first]));
      for (let i = 0; i < 20; i++) pod(`b-${i % 5}`);
      await eventually('all are heard', () => heard() === before + 21);
      assert.lengthOf(sets.all, 2);
      clock.advance(PUBLISH_EVERY_MS);
      assert.deepEqual(await sets.next(), keptOf(api.objects()));
      assert.lengthOf(sets.all, 3);
    });

    it('leave what has not changed the same value, also over a list', async () => {
      pod('a');
      pod('b');
      const { sets, fact } = await watching();
      const before = sets.all[0]!;
      api.compact();
      api.openWatches[0]!.expire();
      await fact('relist');
      pod('b');
      await pass(FIRST_WAIT_MS);
      clock.advance(PUBLISH_EVERY_MS);
      const after = await sets.next();
      assert.strictEqual(after.get('serving/a'), before.get('serving/a'));
      assert.notDeepEqual(after.get('serving/b'), before.get('serving/b'));
    });

    it('are not told when a list finds none, or an object has none', async () => {
      const same = pod('a');
      const { sets, fact } = await watching();
      api.openWatches[0]!.send('MODIFIED', same);
      api.openWatches[0]!.expire();
      await fact('relist');
      await pass(FIRST_WAIT_MS);
      await fact('watching');
      assert.lengthOf(sets.all, 1);
    });

    it('show an object that was created anew under its name by its uid', async () => {
      const before = pod('a');
      const { sets } = await watching();
      api.delete(before.metadata);
      const after = pod('a');
      assert.notEqual(before.metadata.uid, after.metadata.uid);
      await eventually('the other one is told', () => {
        clock.advance(PUBLISH_EVERY_MS);
        return sets.all.at(-1)?.get('serving/a')?.uid === after.metadata.uid;
      });
      assert.equal(sets.all.at(-1)!.size, 1);
    });

    it('show that also when it happened while nothing was heard', async () => {
      const before = pod('a');
      pod('gone');
      const { sets, fact } = await watching();
      failOnce('watch', { kind: 'reset' });
      api.openWatches[0]!.reset();
      await fact('failed');
      api.delete(before.metadata);
      api.delete({ name: 'gone', namespace: 'serving' });
      const after = pod('a');
      api.compact();
      clock.advance(PUBLISH_EVERY_MS);
      await eventually('it has waited as often as it must', () => {
        clock.advance(1_000);
        return sets.all.length === 2;
      });
      assert.deepEqual(sets.all[1], keptOf([after]));
    });

    it('leave out what is not wanted', async () => {
      const wants = (raw: unknown) =>
        (raw as KubeObject).metadata.name.startsWith('x') ? undefined : keep(raw);
      pod('x-1');
      const { sets } = await watching({ project: wants });
      assert.equal(sets.all[0]!.size, 0);
      pod('x-2');
      const told = pod('b');
      await pass(PUBLISH_EVERY_MS);
      assert.deepEqual(await sets.next(), keptOf([told]));
    });
  });

  describe('resumes a watch', () => {
    it('at once where the last event or bookmark was, when it has lived for some time', async () => {
      const { fact, sets } = await watching();
      pod('a');
      await pass(PUBLISH_EVERY_MS);
      await sets.next();
      api.put({ metadata: { name: 'pool', namespace: 'serving' } }, INFERENCE_POOLS);
      api.bookmark();
      await fact('sign_of_life');
      clock.advance(STEADY_MS);
      clock.sleeps.skip();
      api.openWatches[0]!.end();
      assert.equal((await fact('watch_ended')).why, 'closed');
      await fact('watching');
      assert.equal(watchedFrom()[1], api.revision);
      assert.equal(api.count('list'), 1);
      assert.notInclude(clock.sleeps.all.slice(-2), FIRST_WAIT_MS);
    });

    it('after waits that double when it ends at once, until one delivers', async () => {
      const { fact } = await watching();
      for (const ms of [1, 2, 4, 8].map(times => times * FIRST_WAIT_MS)) {
        api.openWatches[0]!.end();
        await pass(ms);
        await fact('watching');
      }
      api.bookmark();
      await fact('sign_of_life');
      api.openWatches[0]!.end();
      await pass(FIRST_WAIT_MS);
      await fact('watching');
      assert.equal(api.count('list'), 1);
    });

    it('after waits of anything up to thirty seconds', async () => {
      let chance = 0;
      const { fact } = await watching({ random: () => chance });
      const retryInMs = async () => {
        api.openWatches[0]!.reset();
        return (await fact('failed')).retryInMs;
      };
      for (const ms of [500, 1_000, 2_000, 4_000, 8_000, 16_000]) {
        assert.equal(await retryInMs(), ms);
        await pass(ms);
        await fact('watching');
      }
      chance = 0.999;
      assert.approximately(await retryInMs(), 30, 1);
    });

    it('that broke, where it was', async () => {
      const { fact } = await watching();
      api.openWatches[0]!.reset();
      assert.deepInclude(await fact('failed'), {
        during: 'watch',
        error: 'unavailable',
        retryInMs: FIRST_WAIT_MS,
      });
      await pass(FIRST_WAIT_MS);
      await fact('watching');
      assert.equal(watchedFrom()[0], watchedFrom()[1]);
      assert.equal(api.count('list'), 1);
    });

    it('that is silent for longer than bookmarks let it be', async () => {
      const { fact } = await watching();
      for (let i = 0; i < 5; i++) {
        clock.advance(60_000);
        api.bookmark();
        await fact('sign_of_life');
      }
      assert.lengthOf(api.watches.all, 1);
      clock.advance(SILENCE_MS);
      await eventually('the limit has looked again', () => {
        clock.advance(0);
        return api.watches.all.length === 2;
      });
      assert.equal((await fact('watch_ended')).why, 'silent');
      await fact('watching');
      assert.equal(api.count('list'), 1);
    });
  });

  describe('lists again', () => {
    for (const expiry of ['error_event', 'status'] as const) {
      it(`after 410 as ${expiry} of the watch, and forgets what is gone`, async () => {
        api.expiry = expiry;
        const gone = pod('gone');
        const { fact, sets } = await watching();
        failOnce('watch', { kind: 'reset' });
        api.openWatches[0]!.reset();
        await fact('failed');
        api.delete(gone.metadata);
        const added = pod('added');
        api.compact();
        await pass(FIRST_WAIT_MS);
        await pass(2 * FIRST_WAIT_MS);
        assert.equal((await fact('relist')).reason, 'expired');
        await pass(4 * FIRST_WAIT_MS);
        assert.deepEqual(await sets.next(), keptOf([added]));
      });
    }

    it('after a watch that expires while it is open', async () => {
      const { fact } = await watching();
      api.openWatches[0]!.expire();
      assert.equal((await fact('relist')).reason, 'expired');
      await pass(FIRST_WAIT_MS);
      await fact('listed');
    });

    it('when the API server knows less than before, as after a backup', async () => {
      const { fact } = await watching();
      const details = {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      };
      api.openWatches[0]!.send('ERROR', { kind: 'Status', code: 504, message: 'Timeout', details });
      assert.equal((await fact('relist')).reason, 'expired');
    });

    const unreadable: Record<string, (watch: { write(bytes: string): void }) => void> = {
      'no JSON': watch => watch.write('{"type":"ADDED"\n'),
      'without a name': watch =>
        watch.write('{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}\n'),
      'without a version': watch => watch.write('{"type":"MODIFIED","object":{"metadata":{"name":"a"}}}\n'),
      'without metadata': watch => watch.write('{"type":"DELETED","object":null}\n'),
    };
    for (const [what, write] of Object.entries(unreadable)) {
      it(`after an event that is ${what}`, async () => {
        const { fact } = await watching();
        write(api.openWatches[0]!);
        assert.equal((await fact('relist')).reason, 'malformed');
        assert.equal((await fact('failed')).error, 'malformed');
        await pass(FIRST_WAIT_MS);
        await fact('listed');
      });
    }

    it('when a watch is refused as it is asked for', async () => {
      failOnce('watch', { kind: 'status', code: 400 });
      const { fact } = start();
      assert.equal((await fact('relist')).reason, 'refused');
      await pass(FIRST_WAIT_MS);
      await fact('watching');
      assert.equal(api.count('list'), 2);
    });

    it('after three watches that the API server failed to begin', async () => {
      api.fault = ({ kind }) =>
        kind === 'watch' && api.count('list') === 1 ? { kind: 'status', code: 500 } : undefined;
      const { fact } = start();
      for (const times of [1, 2, 4]) await pass(times * FIRST_WAIT_MS);
      assert.equal((await fact('relist')).reason, 'refused');
      await fact('watching');
      assert.deepEqual([api.count('list'), api.count('watch')], [2, 4]);
    });

    it('after three watches that said nothing at all', async () => {
      const { fact } = await watching();
      for (let i = 0; i < 3; i++) {
        clock.advance(ANSWER_MS);
        await clock.sleeps.until(ms => ms > ANSWER_MS);
        clock.advance(SILENCE_MS);
        assert.equal((await fact('watch_ended')).why, 'silent');
        if (i < 2) await fact('watching');
      }
      assert.equal((await fact('relist')).reason, 'silent');
      await fact('watching');
      assert.equal(api.count('list'), 2);
    });
  });

  describe('is not held up', () => {
    for (const kind of ['list', 'page', 'watch'] as const) {
      it(`by a ${kind} without an answer`, async () => {
        for (let i = 0; i < 101; i++) pod(`pod-${i}`);
        failOnce(kind, { kind: 'hang' });
        const { fact } = start();
        await api.requests.until(request => request.kind === kind);
        await eventually('it is late', () => {
          clock.advance(ANSWER_MS);
          return made[0]!.facts.all.some(fact => fact.kind === 'failed');
        });
        assert.equal((await fact('failed')).error, 'timeout');
        await eventually('it asks again', () => {
          clock.advance(FIRST_WAIT_MS);
          return api.watches.all.length === 1;
        });
      });
    }

    const refusals: readonly [code: number, error: KubernetesErrorKind][] = [
      [401, 'unauthorized'],
      [403, 'forbidden'],
      [404, 'not_found'],
      [500, 'server_error'],
      [503, 'server_error'],
    ];
    for (const [code, error] of refusals) {
      it(`by ${code}, once that is over`, async () => {
        let refuses = true;
        api.fault = () => (refuses ? { kind: 'status', code } : undefined);
        const { fact } = start();
        assert.deepInclude(await fact('failed'), { during: 'list', error, retryInMs: FIRST_WAIT_MS });
        await pass(FIRST_WAIT_MS);
        assert.deepInclude(await fact('failed'), { retryInMs: 2 * FIRST_WAIT_MS });
        refuses = false;
        await pass(2 * FIRST_WAIT_MS);
        await fact('watching');
      });

      it(`by ${code} of the watch, which goes on where it was`, async () => {
        // Asked twice before it gives up.
        const refused = code === 401 ? 2 : 1;
        api.fault = ({ kind }) =>
          kind === 'watch' && api.count('watch') <= refused ? { kind: 'status', code } : undefined;
        const { fact } = start();
        assert.deepInclude(await fact('failed'), { during: 'watch', error });
        await pass(FIRST_WAIT_MS);
        await fact('watching');
        assert.equal(api.count('list'), 1);
      });
    }

    it('and waits as long as it is asked to', async () => {
      failOnce('list', { kind: 'status', code: 429, retryAfter: 7 });
      const { fact } = start();
      assert.deepInclude(await fact('failed'), { error: 'throttled', retryInMs: 7_000 + FIRST_WAIT_MS });
      await pass(7_000 + FIRST_WAIT_MS);
      await fact('watching');
    });

    it('by an answer that is no list', async () => {
      for (const answer of [
        '7',
        'null',
        '{"metadata":{"resourceVersion":"1"},"items":7}',
        '{"metadata":{},"items":[]}',
        '{"kind":"Table","metadata":{"resourceVersion":"1"},"rows":[]}',
      ]) {
        failOnce('list', { kind: 'bytes', chunks: [answer] });
        const { fact, reflector } = start();
        assert.equal((await fact('failed')).error, 'malformed');
        await reflector.stop();
      }
    });

    it('by a list that does not go on', async () => {
      const page = '{"metadata":{"resourceVersion":"1","continue":"here"},"items":[]}';
      api.fault = () => ({ kind: 'bytes', chunks: [page] });
      const { fact } = start();
      assert.match((await fact('failed')).message, /goes on where it was/);
      assert.equal(api.requests.all.length, 2);
    });

    it('by a list whose items are null', async () => {
      failOnce('list', { kind: 'bytes', chunks: ['{"metadata":{"resourceVersion":"1000"},"items":null}'] });
      assert.equal((await start().sets.next()).size, 0);
    });
  });

  describe('goes on when its caller throws', () => {
    it('in onChange', async () => {
      let calls = 0;
      const { fact } = start({
        onChange: () => {
          assert.isTrue(made[0]!.reflector.hasListed);
          calls++;
          throw new Error('broken');
        },
      });
      assert.deepInclude(await fact('handler_failed'), { handler: 'onChange', message: 'broken' });
      await fact('watching');
      pod('a');
      await pass(PUBLISH_EVERY_MS);
      await fact('handler_failed');
      assert.equal(calls, 2);
    });

    it('in project: the object is not there', async () => {
      pod('a');
      pod('b');
      const project = (raw: unknown) => {
        if ((raw as KubeObject).metadata.name === 'a') throw 'broken';
        return keep(raw);
      };
      const { fact, sets } = start({ project });
      assert.deepInclude(await fact('handler_failed'), { handler: 'project', message: 'broken' });
      assert.deepEqual([...(await sets.next()).keys()], ['serving/b']);
    });

    it('in onFact', async () => {
      const { sets } = start({
        onFact: () => {
          throw new Error('broken');
        },
      });
      await sets.next();
      await api.watches.next();
    });
  });

  it('says when it heard something last', async () => {
    clock.advance(5);
    const { reflector, fact } = start();
    assert.isUndefined(reflector.lastSignOfLifeMs);
    await fact('watching');
    assert.equal(reflector.lastSignOfLifeMs, 5);
    clock.advance(10);
    api.bookmark();
    await fact('sign_of_life');
    assert.equal(reflector.lastSignOfLifeMs, 15);
  });

  describe('stops', () => {
    /** Nothing may come after it. */
    async function stop({ reflector, facts, sets }: Reflected): Promise<void> {
      const stopped = reflector.stop();
      const before = [facts.all.length, sets.all.length];
      await stopped;
      pod('late');
      api.bookmark();
      clock.advance(1_000_000);
      assert.deepEqual([facts.all.length, sets.all.length], before);
      await reflector.stop();
      reflector.start();
      assert.equal(clock.sleeping, 0);
    }

    it('as soon as it has started', () => stop(start()));

    for (const kind of ['list', 'page', 'watch'] as const) {
      it(`while a ${kind} is not answered`, async () => {
        for (let i = 0; i < 101; i++) pod(`pod-${i}`);
        failOnce(kind, { kind: 'hang' });
        const reflected = start();
        await api.requests.until(request => request.kind === kind);
        await stop(reflected);
      });
    }

    it('while it watches', async () => stop(await watching()));

    it('while it waits after a failure', async () => {
      api.fault = () => ({ kind: 'status', code: 500 });
      const reflected = start();
      await clock.sleeps.until(ms => ms === FIRST_WAIT_MS);
      await stop(reflected);
    });

    it('while a change waits to be told', async () => {
      const reflected = await watching();
      pod('a');
      await clock.sleeps.until(ms => ms === PUBLISH_EVERY_MS);
      await stop(reflected);
      assert.lengthOf(reflected.sets.all, 1);
    });

    it('from within its caller’s functions', async () => {
      pod('a');
      pod('b');
      const calls: string[] = [];
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const end = (what: string) => {
        calls.push(what);
        void made[0]!.reflector.stop().then(resolve);
      };
      start({ onChange: () => end('onChange'), onFact: () => {} });
      await done;
      assert.deepEqual(calls, ['onChange']);
    });

    it('when it is told that its watch was accepted', async () => {
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const onFact = ({ kind }: ReflectorFact) => {
        if (kind === 'watching') void made[0]!.reflector.stop().then(resolve);
      };
      start({ onFact });
      await done;
    });

    it('in the middle of what one packet brought', async () => {
      const seen: ReflectorFact[] = [];
      const reflected = await watching({
        onFact: fact => {
          seen.push(fact);
          made[0]?.facts.push(fact);
          if (seen.filter(({ kind }) => kind === 'sign_of_life').length === 4) void made[0]!.reflector.stop();
        },
      });
      const events = [1, 2, 3, 4, 5].map(i =>
        JSON.stringify({ type: 'ADDED', object: { metadata: { name: `p${i}`, resourceVersion: `${i}` } } }),
      );
      api.openWatches[0]!.write(`${events.join('\n')}\n`);
      await eventually('it has stopped', () => api.openWatches.length === 0);
      assert.isAtMost(seen.filter(({ kind }) => kind === 'sign_of_life').length, 4);
      await reflected.reflector.stop();
    });
  });
});
