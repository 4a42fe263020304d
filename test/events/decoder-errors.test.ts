import { assert } from 'chai';
import fc from 'fast-check';
import { decodeBatch } from '../../src/events/decoder.ts';
import { batchOf, hex, pack, scenarios, storedMap, VERSIONS } from '../support/kv-events.ts';

describe('an event that cannot be read', () => {
  const bad: [title: string, event: unknown, why: RegExp][] = [
    ['nil', null, /neither a map nor an array/],
    ['a number', 5, /neither a map nor an array/],
    ['a text', 'BlockStored', /neither a map nor an array/],
    ['an empty array', [], /unknown event type/],
    ['an empty map', {}, /unknown event type/],
    ['of an unknown type', { type: 'BlockMoved' }, /unknown event type/],
    ['without hashes', storedMap({ block_hashes: null }), /block_hashes is not a list/],
    ['with a hash of 7 bytes', storedMap({ block_hashes: [Buffer.alloc(7)] }), /a block hash/],
    ['with a fraction for a hash', storedMap({ block_hashes: [1.5] }), /a block hash/],
    ['with a text for a parent', storedMap({ parent_block_hash: 'x' }), /a block hash/],
    ['without tokens', storedMap({ token_ids: undefined }), /token_ids is not a list/],
    ['with a text among its tokens', storedMap({ token_ids: [1, 'x'] }), /token_ids holds something else/],
    ['with pairs for tokens', storedMap({ token_ids: [[1, 2]] }), /token_ids holds something else/],
    ['with a negative token', storedMap({ token_ids: [-1] }), /token_ids holds something else/],
    ['with a fraction for a token', storedMap({ token_ids: [0.5] }), /token_ids holds something else/],
    ['with a token of 33 bits', storedMap({ token_ids: [2 ** 32] }), /token_ids holds something else/],
    ['without a block size', storedMap({ block_size: null }), /block_size is not a count/],
    ['with a negative block size', storedMap({ block_size: -16 }), /block_size is not a count/],
    ['with a huge block size', storedMap({ block_size: 2n ** 60n }), /block_size is not a count/],
    ['with a number for an adapter', storedMap({ lora_name: 3 }), /lora_name is not a text/],
    ['cut short', ['BlockStored', [1]], /token_ids is not a list/],
    ['a removal without hashes', ['BlockRemoved'], /block_hashes is not a list/],
  ];
  for (const [title, event, why] of bad) {
    it(`costs itself alone: ${title}`, () => {
      const batch = decodeBatch(batchOf(storedMap(), event, ['AllBlocksCleared']));
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.deepEqual(
        batch.events.map(({ kind }) => kind),
        ['stored', 'cleared'],
      );
      assert.lengthOf(batch.skipped, 1);
      assert.match(batch.skipped[0]!, why);
    });
  }

  it('never throws, however deep it is nested', () => {
    const [start, nil] = [storedMap({ extra_keys: [['MARK']] }), Buffer.from([0xc0])];
    const [before, after] = split(batchOf(start, ['AllBlocksCleared']), Buffer.from('\xa4MARK', 'latin1'));
    const outcomes = new Set<string>();
    for (let depth = 1; depth < 50_000; depth = Math.ceil(1.3 * depth)) {
      const batch = decodeBatch(Buffer.concat([before, Buffer.alloc(depth, 0x91), nil, after]));
      if (batch.kind === 'batch') assert.deepEqual(batch.events.at(-1), { kind: 'cleared' });
      outcomes.add(batch.kind === 'batch' ? (batch.skipped[0] ?? 'read') : batch.kind);
    }
    assert.includeMembers([...outcomes], ['read', 'malformed']);
  });
});

describe('a payload that is no batch', () => {
  const bad: [title: string, payload: Uint8Array, why: string][] = [
    ['empty', new Uint8Array(), 'not MessagePack'],
    ['cut short', batchOf(storedMap()).subarray(0, -3), 'not MessagePack'],
    ['followed by more', Buffer.concat([batchOf(), batchOf()]), 'not MessagePack'],
    ['a number', pack(5), 'the batch is neither an array nor a map'],
    ['nil', pack(null), 'the batch is neither an array nor a map'],
    ['an empty array', pack([]), 'no time or no events'],
    ['an empty map', pack({}), 'no time or no events'],
    ['without a time', pack([null, []]), 'no time or no events'],
    ['without events', pack([1.5]), 'no time or no events'],
    ['with a map for events', pack([1.5, {}]), 'no time or no events'],
  ];
  for (const [title, payload, why] of bad) {
    it(`is malformed: ${title}`, () => {
      assert.deepEqual(decodeBatch(payload), { kind: 'malformed', why });
    });
  }
});

describe('decoding', function () {
  this.timeout(20_000);
  const frames = VERSIONS.flatMap(version =>
    Object.values(scenarios(version)).flatMap(({ payloads }) => payloads.map(hex)),
  ).filter(frame => frame.length < 1_000);
  const frame = fc.constantFrom(...frames);
  const good = batchOf(storedMap());
  const expected = decodeBatch(good);

  function survives(payload: Uint8Array): void {
    const batch = decodeBatch(payload);
    assert.include(['batch', 'malformed'], batch.kind);
    assert.deepEqual(decodeBatch(good), expected, 'a later batch is not affected');
  }

  it('survives any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives), { numRuns: 5_000 });
  });

  it('survives any value', () => {
    const value = fc.anything({ withBigInt: false, withDate: true, withTypedArray: true });
    fc.assert(
      fc.property(fc.array(value), events => survives(pack([1.5, events]))),
      { numRuns: 2_000 },
    );
  });

  it('survives recorded frames with any bytes changed, missing or added', () => {
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 8 }),
      insert: fc.uint8Array({ maxLength: 8 }),
    });
    fc.assert(
      fc.property(frame, fc.array(edit, { minLength: 1, maxLength: 4 }), (original, edits) => {
        let payload = original;
        for (const { at, remove, insert } of edits) {
          const from = at % (payload.length + 1);
          payload = Buffer.concat([payload.subarray(0, from), insert, payload.subarray(from + remove)]);
        }
        survives(payload);
      }),
      { numRuns: 5_000 },
    );
  });

  it('survives recorded frames cut anywhere', () => {
    for (const original of frames.slice(0, 6)) {
      for (let length = 0; length < original.length; length++) {
        assert.equal(decodeBatch(original.subarray(0, length)).kind, 'malformed');
      }
    }
  });
});

function split(bytes: Buffer, mark: Buffer): [Buffer, Buffer] {
  const at = bytes.indexOf(mark);
  return [bytes.subarray(0, at), bytes.subarray(at + mark.length)];
}
