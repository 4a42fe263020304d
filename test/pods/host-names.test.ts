import { assert } from 'chai';
import { HostNames, oneFamily } from '../../src/pods/host-names.ts';
import { realSleep } from '../../src/time.ts';

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
      ...{ sleep: realSleep, stopping: new AbortController().signal },
      resolve: () => Promise.reject('odd'),
      onChange: () => assert.fail(),
      onUnresolved: ({ reason }) => void reasons.push(reason),
    });
    hosts.follow(new Set(['engines']));
    await hosts.refresh();
    assert.deepEqual(reasons, ['odd']);
  });
});
