import { assert } from 'chai';
import fc from 'fast-check';
import { type DecodedBatch, decodeBatch } from '../../../src/events/decoding/decoder.ts';
import { anyBatch } from '../../support/any-kv-events.ts';
import { AnyPacker, type Encoded, integerForms, randomFrom } from '../../support/any-msgpack.ts';
import { batchOf, engineHash, pack, storedMap } from '../../support/kv-events.ts';
import { naiveBatch } from '../../support/naive-decoder.ts';

/** 0 is no engine's hash. */
const bits64 = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });

describe('the decoder, compared with a general one', function () {
  this.timeout(20_000);

  it('gives the same values for any events in any form and any width', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const payload = anyBatch(new AnyPacker(randomFrom(seed)));
        const expected: DecodedBatch = { kind: 'batch', ...naiveBatch(payload), skipped: [], whole: true };
        assert.deepEqual(decodeBatch(payload), expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads one hash the same from every encoding of its bits', () => {
    fc.assert(
      fc.property(bits64, bits => {
        const forms = [
          ...integerForms(bits),
          ...integerForms(BigInt.asIntN(64, bits)),
          ...[8, 9, 16, 32].map(length => digestEndingIn(bits, length)),
        ];
        for (const form of forms) {
          const removed = Buffer.concat([
            ...[Buffer.of(0x93), pack(1.5), Buffer.of(0x91, 0x92), pack('BlockRemoved'), Buffer.of(0x91)],
            ...[form, Buffer.of(0)],
          ]);
          const batch = decodeBatch(removed);
          const { hi, lo } = engineHash(bits);
          const event = batch.kind === 'batch' ? batch.events[0] : undefined;
          assert.deepEqual(event?.kind === 'removed' ? [...event.hashes.lanes] : event, [hi, lo]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('loses no neighbour of any value that is no event', () => {
    const junk = fc
      .anything({ withDate: true, withTypedArray: true, maxDepth: 5 })
      .filter(value => value !== undefined);
    const good = storedMap();
    const events = (payload: Buffer) => {
      const batch = decodeBatch(payload);
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.isTrue(batch.whole);
      return batch;
    };
    const alone = events(batchOf(good)).events[0];
    fc.assert(
      fc.property(fc.array(junk), values => {
        const { events: read, skipped } = events(batchOf(good, ...values, good));
        assert.deepEqual(read, [alone, alone] as never);
        assert.lengthOf(skipped, values.length);
      }),
      { numRuns: 2_000 },
    );
  });
});

function digestEndingIn(bits: bigint, length: number): Encoded {
  return Buffer.concat([Buffer.of(0xc4, length), Buffer.alloc(length - 8, 0xee), pack(bits).subarray(-8)]);
}
