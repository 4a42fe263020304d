import { assert } from 'chai';
import fc from 'fast-check';
import { endpointOf, type Pod } from '../../../src/domain.ts';
import type { Session } from '../../../src/routing/policy.ts';
import {
  rendezvous,
  sessionAffinity,
  sessionIdOf,
  sessionPod,
} from '../../../src/routing/strategies/session-affinity.ts';
import { aPod } from '../../support/builders.ts';
import { assertUniform, snapshotOf, tally } from '../../support/candidates.ts';

const pods = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((ip, i) => aPod({ name: `pod-${i}`, ip, port: 8000 }));
const idOf = (text: string) => Buffer.from(text).toString('base64');

/** The pod that a session is at. */
function podOf(session: Partial<Session>, among: readonly Pod[] = pods): string | undefined {
  const found = sessionPod({ id: undefined, key: undefined, ...session }, among);
  return found && among[found.index]!.name;
}

/** FNV-1a with 64 bits as its authors write it down. */
function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

describe('session affinity', () => {
  // The cases of `TestSessionAffinityRouter` and its like in AIBrix's algorithms/simple_session_affinity_test.go.
  it('goes to the pod that the session id names', () => {
    assert.equal(podOf({ id: idOf('10.0.0.2:8000') }), 'pod-1');
  });

  for (const [title, id] of [
    ['none', undefined],
    ['empty', ''],
    ['no base64', '%%%INVALID_BASE64%%%'],
    ['an address of no pod', idOf('10.99.99.99:8000')],
    ['another port of a pod', idOf('10.0.0.2:22')],
    ['the metadata service of a cloud', idOf('169.254.169.254:80')],
    ['a pod’s address and more', idOf('10.0.0.2:8000,10.9.9.9:1')],
    ['a pod’s address with a zero byte', idOf('10.0.0.2:8000\0')],
    ['a megabyte', idOf(`10.0.0.2:8000${' '.repeat(1 << 20)}`)],
  ] as const) {
    it(`goes to the least loaded pod where the session id is ${title}`, () => {
      assert.isUndefined(podOf({ id }));
      const snapshot = { ...snapshotOf([[1], [0], [2]]), pods, session: { id, key: undefined } };
      assert.deepInclude(sessionAffinity(snapshot), { index: 1, reason: 'no_session' });
    });
  }

  it('begins anywhere with equal chance', () => {
    const counts = tally(random => {
      const snapshot = snapshotOf([[1], [1], [1]], random);
      return snapshot.pods[sessionAffinity(snapshot).index]!.name;
    });
    assertUniform(counts, 'abc');
  });

  it('gives an id that leads back to the pod, IPv6 among them', () => {
    const all = [...pods, aPod({ name: 'six', ip: 'fd00::7', port: 8000 })];
    assert.equal(sessionIdOf(endpointOf(all.at(-1)!)), idOf('[fd00::7]:8000'));
    for (const pod of all) assert.equal(podOf({ id: sessionIdOf(endpointOf(pod)) }, all), pod.name);
  });

  it('puts a key on the same pod whatever the order of pods', () => {
    const first = podOf({ key: 'agent-session-42' });
    assert.isDefined(first);
    assert.equal(podOf({ key: 'agent-session-42' }, [pods[2]!, pods[0]!, pods[1]!]), first);
    assert.equal(podOf({ key: 'agent-session-42' }, [pods[1]!, pods[2]!, pods[0]!]), first);
  });

  it('believes the id before the key, and the key where the id’s pod is gone', () => {
    const key = 'agent-session-42';
    for (const pod of pods) assert.equal(podOf({ id: sessionIdOf(endpointOf(pod)), key }), pod.name);
    assert.equal(podOf({ id: idOf('10.9.9.9:8000'), key }), podOf({ key }));
  });

  it('takes keys of up to 256 bytes', () => {
    assert.isDefined(podOf({ key: 'x'.repeat(256) }));
    assert.isUndefined(podOf({ key: 'x'.repeat(257) }));
    assert.isUndefined(podOf({ key: 'é'.repeat(129) }));
    assert.isUndefined(podOf({ key: '' }));
  });

  it('keeps the other keys where they are when a pod leaves', () => {
    const [a, b] = [pods[0]!, pods[1]!];
    for (let i = 0; i < 200; i++) {
      const key = `session ${i}`;
      const before = podOf({ key });
      if (before !== 'pod-2') assert.equal(podOf({ key }, [a, b]), before);
    }
  });

  it('hashes as AIBrix does: FNV-1a-64 of key, zero and address, the highest wins', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.uniqueArray(fc.ipV4(), { minLength: 1, maxLength: 6 }),
        (key, addresses) => {
          const hashes = addresses.map(address =>
            fnv1a64(Buffer.concat([key, Buffer.of(0), Buffer.from(address)])),
          );
          const highest = hashes.reduce((most, hash) => (hash > most ? hash : most));
          assert.equal(rendezvous(key, addresses), hashes.indexOf(highest));
        },
      ),
    );
  });
});
