import { assert } from 'chai';
import { fingerprintOf } from '../../../src/events/payload-fingerprint.ts';
import { Fingerprints } from '../../../src/events/stream/fingerprints.ts';
import { pack, tokensOf } from '../../support/kv-events.ts';

describe('fingerprints of a stream', () => {
  let fingerprints: Fingerprints<number>;

  beforeEach(() => {
    fingerprints = new Fingerprints(payload => payload);
  });

  it('tell a replay that has other bytes than were heard', () => {
    for (let i = 5; i < 10; i++) assert.isFalse(fingerprints.heard(i, 100 + i));
    assert.isFalse(fingerprints.replayed(4, 1), 'not heard');
    assert.isFalse(fingerprints.replayed(5, 105));
    assert.isTrue(fingerprints.replayed(9, 105));
    assert.isFalse(fingerprints.replayed(10, 1), 'not heard yet');
  });

  it('tell a live message that has other bytes than were replayed', () => {
    for (let i = 0; i < 10; i++) fingerprints.replayed(i, 100 + i);
    assert.isFalse(fingerprints.heard(7, 107));
    assert.isTrue(fingerprints.heard(8, 107));
    fingerprints.requested();
    assert.isFalse(fingerprints.heard(9, 1), 'an earlier replay does not count');
  });

  it('forget what was heard before the stream broke, and on another connection', () => {
    fingerprints.heard(5, 105);
    fingerprints.heard(9, 109);
    assert.isFalse(fingerprints.replayed(5, 1));
    assert.isTrue(fingerprints.replayed(9, 1));
    fingerprints.linkChanged();
    assert.isFalse(fingerprints.replayed(9, 1));
  });

  it('keep the last 256', () => {
    for (let i = 1; i <= 1_000; i++) fingerprints.heard(i, i);
    assert.isFalse(fingerprints.replayed(744, 1));
    assert.isTrue(fingerprints.replayed(745, 1));
  });

  it('keep what is repeated, and what a heartbeat comes after', () => {
    for (const [sequence, payload] of [
      [1, 101],
      [2, 102],
      [2, 102],
      [2, 0],
      [1, 101],
    ] as const)
      assert.isFalse(fingerprints.heard(sequence, payload));
    assert.isTrue(fingerprints.replayed(1, 7));
    assert.isTrue(fingerprints.replayed(2, 7));
  });

  it('say nothing of what may be a heartbeat', () => {
    fingerprints.heard(1, 0);
    assert.isFalse(fingerprints.replayed(1, 7));
    fingerprints.heard(2, 8);
    assert.isFalse(fingerprints.replayed(2, 0));
  });
});

describe('the fingerprint of a payload', () => {
  const batch = (at: number, tokens: number[]) =>
    pack([at, [['BlockStored', [1], null, [...tokensOf(tokens)], 2 * tokens.length]], 0]);
  const MANY = Array.from({ length: 500 }, (_, i) => i);

  it('differs with the time, the length, the end and any byte of a short one', () => {
    const payloads = [
      batch(1.5, MANY),
      batch(1.5000001, MANY),
      batch(1.5, MANY.slice(1)),
      batch(1.5, MANY.slice(1).concat(7)),
      batch(1.5, [1]),
      batch(1.5, [2]),
    ];
    assert.equal(new Set(payloads.map(fingerprintOf)).size, payloads.length);
    assert.equal(fingerprintOf(batch(1.5, MANY)), fingerprintOf(Uint8Array.from(batch(1.5, MANY))));
  });

  it('is none where a batch of nothing could be as long', () => {
    for (const payload of [
      pack([1.5, []]),
      pack([1.5, [], 4_294_967_295]),
      pack({ ts: 1.5, events: [], data_parallel_rank: 100_000 }),
      Buffer.alloc(0),
    ])
      assert.equal(fingerprintOf(payload), 0);
    assert.notEqual(fingerprintOf(pack([1.5, [['AllBlocksCleared']]])), 0);
    assert.notEqual(fingerprintOf(pack({ ts: 1.5, events: [['BlockRemoved', Array(40).fill(7)]] })), 0);
  });
});
