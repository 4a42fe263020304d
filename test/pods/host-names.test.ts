import { assert } from 'chai';
import { HostNames, oneFamily, type Resolve } from '../../src/pods/host-names.ts';
import { realSleep } from '../../src/time.ts';
import { HandClock } from '../support/hand-clock.ts';

describe('oneFamily', () => {
  it('leaves out the IPv6 addresses of what has IPv4 ones, which lead to the same engine', () => {
    assert.deepEqual(oneFamily(['::1', '127.0.0.1', '127.0.0.2']), ['127.0.0.1', '127.0.0.2']);
    assert.deepEqual(oneFamily(['2001:db8::1', '2001:db8::2']), ['2001:db8::1', '2001:db8::2']);
    assert.deepEqual(oneFamily([]), []);
  });
});

describe('HostNames', () => {
  it('has no addresses for a name that it does not follow', () => {
    const hosts = new HostNames({
      now: () => 0,
      ...{ sleep: realSleep, stopping: new AbortController().signal },
      resolve: async () => [],
      onChange: () => assert.fail(),
      onUnresolved: () => assert.fail(),
    });
    assert.deepEqual(hosts.addressesOf('engines'), []);
  });

  it('reports whatever a resolver throws', async () => {
    const reasons: string[] = [];
    const hosts = new HostNames({
      now: () => 0,
      ...{ sleep: realSleep, stopping: new AbortController().signal },
      resolve: () => Promise.reject('odd'),
      onChange: () => assert.fail(),
      onUnresolved: ({ reason }) => void reasons.push(reason),
    });
    hosts.follow(new Set(['engines']));
    await hosts.refresh();
    assert.deepEqual(reasons, ['odd']);
  });

  describe('of a fleet', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `host-${i}`);
    let clock: HandClock;
    let stopping: AbortController;
    let announced: (readonly string[])[];

    beforeEach(() => {
      clock = new HandClock();
      stopping = new AbortController();
      announced = [];
    });
    afterEach(() => stopping.abort());

    function follow(resolve: Resolve): HostNames {
      const hosts = new HostNames({
        now: () => 0,
        ...{ resolve, sleep: clock.sleep, stopping: stopping.signal },
        onChange: changed => announced.push(changed),
        onUnresolved: () => assert.fail(),
      });
      hosts.follow(new Set(names));
      return hosts;
    }

    it('are not asked for all at once', async () => {
      let asking = 0;
      let most = 0;
      const hosts = follow(async () => {
        most = Math.max(most, ++asking);
        await new Promise(setImmediate);
        asking--;
        return ['10.0.0.1'];
      });
      await hosts.refresh();
      assert.equal(most, 16);
      assert.deepEqual(hosts.addressesOf('host-999'), ['10.0.0.1']);
    });

    it('are announced together: the first at once, the others in a while, or when all have answered', async () => {
      const last = Promise.withResolvers<void>();
      const hosts = follow(async host => {
        if (host === 'host-999') await last.promise;
        return ['10.0.0.1'];
      });
      const refreshing = hosts.refresh();
      await clock.sleeps.next();
      while (hosts.addressesOf('host-998').length === 0) await new Promise(setImmediate);
      assert.deepEqual(announced, [['host-0']]);
      clock.advance(50);
      await clock.sleeps.next();
      assert.deepEqual(announced[1], names.slice(1, 999));
      last.resolve();
      await refreshing;
      assert.deepEqual(announced[2], ['host-999']);
    });

    it('are not asked for any more when they are not followed any more', async () => {
      const asked: string[] = [];
      const answer = Promise.withResolvers<readonly string[]>();
      const hosts = follow(host => {
        asked.push(host);
        return answer.promise;
      });
      const refreshing = hosts.refresh();
      hosts.follow(new Set());
      answer.resolve([]);
      await refreshing;
      assert.deepEqual(asked, names.slice(0, 16));
      hosts.follow(new Set(['new']));
      await hosts.refresh().catch(() => {});
      assert.lengthOf(asked, 17);
    });
  });
});
