/** The rank alone: what tells the data-parallel ranks apart that share an address. */
import { assert } from 'chai';
import fc from 'fast-check';
import { decodeBatch, readRank } from '../../../src/events/decoding/decoder.ts';
import { anyBatch } from '../../support/any-kv-events.ts';
import { AnyPacker, randomFrom } from '../../support/any-msgpack.ts';
import { batchOf, hex, pack, recordedPayloads, storedMap, VERSIONS } from '../../support/kv-events.ts';

const TS = 1_700_000_000.25;

/** Fails if the batch cannot be read. */
function decodedRank(payload: Uint8Array): number | undefined {
  const batch = decodeBatch(payload);
  return batch.kind === 'batch' ? batch.rank : assert.fail(batch.why);
}

describe('the rank of a batch', () => {
  for (const [what, batch, rank] of [
    ['of an array', [TS, [], 3], 3],
    ['of an array with events', [TS, [storedMap(), storedMap()], 3], 3],
    ['of an array that goes on', [TS, [], 3, 'later', null], 3],
    ['of an array that ends before it', [TS, []], undefined],
    ['of an array that has nil for it', [TS, [], null], undefined],
    ['of a map', { ts: TS, events: [], data_parallel_rank: 3 }, 3],
    ['of a map that has it first', { data_parallel_rank: 3, events: [storedMap()], ts: TS }, 3],
    ['of a map of SGLang', { ts: TS, events: [], attn_dp_rank: 3 }, 3],
    [
      'of a map with other keys',
      { later: { data_parallel_rank: 9 }, ts: TS, events: [], attn_dp_rank: 3 },
      3,
    ],
    [
      'of a map with keys that are no texts',
      new Map<unknown, unknown>([
        [7, 8],
        ['ts', TS],
        ['events', []],
      ]),
      undefined,
    ],
    ['of a map without it', { ts: TS, events: [] }, undefined],
    ['of a map that has nil for it', { ts: TS, events: [], data_parallel_rank: null }, undefined],
    ['that is 0', [TS, [], 0], 0],
    ['that is large', [TS, [], 70_000], 70_000],
    ['that is negative', [TS, [], -1], -1],
    ['that is a float', [TS, [], 3.5], undefined],
    ['that is a text', [TS, [], '3'], undefined],
    ['that is a list', { ts: TS, events: [], data_parallel_rank: [3] }, undefined],
    ['that no double holds', [TS, [], 2n ** 63n], undefined],
  ] as const) {
    it(`${what} is ${rank}`, () => {
      const payload = pack(batch);
      assert.equal(readRank(payload), rank);
      assert.equal(decodedRank(payload), rank);
    });
  }

  it('is the same here and there though two keys name it', () => {
    for (const [first, second] of [
      [{ data_parallel_rank: 3 }, { attn_dp_rank: null }],
      [{ data_parallel_rank: null }, { attn_dp_rank: 3 }],
      [{ attn_dp_rank: 3 }, { data_parallel_rank: 4 }],
    ]) {
      const payload = pack({ ts: TS, events: [], ...first, ...second });
      assert.equal(readRank(payload), decodedRank(payload), JSON.stringify({ ...first, ...second }));
    }
  });

  it('is read without a look at the events', () => {
    const broken = [{ type: 'BlockStored', block_hashes: 'none' }, 7, null];
    assert.equal(readRank(pack([TS, broken, 3])), 3);
    assert.equal(readRank(pack({ events: broken, data_parallel_rank: 3 })), 3);
  });

  for (const [what, payload] of [
    ['nothing', Buffer.alloc(0)],
    ['no MessagePack', hex('c1')],
    ['a text', pack('batch')],
    ['a number', pack(3)],
    ['an array that promises more than there is', hex('93')],
    ['an array that ends inside of its events', batchOf(storedMap()).subarray(0, 40)],
    ['a map that promises more than there is', hex('83a27473')],
    ['a map that ends inside of its rank', hex('82a27473c0b2646174615f706172616c6c656c5f72616e6bce0000')],
    ['an array of very many', hex('ddffffffff')],
    ['a map of very many', hex('dfffffffff')],
  ] as const) {
    it(`is none of ${what}`, () => {
      assert.isUndefined(readRank(payload));
    });
  }

  for (const version of VERSIONS) {
    it(`is that of each batch that vLLM ${version} sent`, () => {
      for (const payload of Object.values(recordedPayloads(version)).flat()) {
        assert.equal(readRank(payload), decodedRank(payload));
      }
    });
  }

  it('is that which the whole batch has, in any form and any width', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const payload = anyBatch(new AnyPacker(randomFrom(seed)));
        assert.equal(readRank(payload), decodedRank(payload));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is that which the batch has, if it can be read at all, when bytes are lost or changed', () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.boolean() });
    fc.assert(
      fc.property(fc.integer(), damage, (seed, { at, byte, cut }) => {
        const payload = Buffer.from(anyBatch(new AnyPacker(randomFrom(seed))));
        const position = at % payload.length;
        payload[position] = byte;
        const damaged = cut ? payload.subarray(0, position) : payload;
        const rank = readRank(damaged);
        const batch = decodeBatch(damaged);
        if (batch.kind === 'batch' && batch.whole) assert.equal(rank, batch.rank);
      }),
      { numRuns: 3_000 },
    );
  });
});
