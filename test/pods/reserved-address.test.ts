import { assert } from 'chai';
import { reservedAmong, reservedFor } from '../../src/pods/reserved-address.ts';

const ROWS: [string, string | undefined][] = [
  ['169.254.169.254', 'a metadata service'],
  ['169.254.170.2', 'a metadata service'],
  ['fd00:ec2::254', 'a metadata service'],
  ['::ffff:169.254.169.254', 'a metadata service'],
  ['169.254.0.1', 'link-local'],
  ['fe80::1', 'link-local'],
  ['febf::1', 'link-local'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['ff02::1', 'multicast'],
  ['0.0.0.0', 'unspecified: this machine, if any'],
  ['::', 'unspecified: this machine, if any'],
  ['255.255.255.255', 'broadcast'],
  ['127.0.0.1', undefined],
  ['::1', undefined],
  ['10.0.0.1', undefined],
  ['169.253.0.1', undefined],
  ['240.0.0.1', undefined],
  ['fec0::1', undefined],
  ['fd00::1', undefined],
  ['2001:db8::1', undefined],
  ['::ffff:10.0.0.1', undefined],
];

describe('what an address is for', () => {
  for (const [address, what] of ROWS) {
    it(`${address}: ${what ?? 'an engine, maybe'}`, () => assert.equal(reservedFor(address), what));
  }

  it('is told with whose it is', () => {
    const found = reservedAmong([
      { of: 'a', address: '10.0.0.1' },
      { of: 'b', address: '224.0.0.1' },
    ]);
    assert.deepEqual(found, [{ of: 'b', address: '224.0.0.1', what: 'multicast' }]);
  });
});
