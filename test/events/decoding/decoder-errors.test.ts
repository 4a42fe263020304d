import { assert } from 'chai';
import { decodeBatch, type MalformedKind } from '../../../src/events/decoding/decoder.ts';
import type { SkippedKind } from '../../../src/events/decoding/event-decoder.ts';
import { batchOf, hex, pack, storedMap } from '../../support/kv-events.ts';

describe('an event that cannot be read', () => {
  const bad: [title: string, event: unknown, why: SkippedKind][] = [
    ['nil', null, 'not_an_event'],
    ['a number', 5, 'not_an_event'],
    ['a text', 'BlockStored', 'not_an_event'],
    ['an empty array', [], 'unknown_type'],
    ['an empty map', {}, 'unknown_type'],
    ['of an unknown type, as a map', { type: 'BlockMoved' }, 'unknown_type'],
    ['of an unknown type, as an array', ['BlockMoved', [1]], 'unknown_type'],
    ['with a number for its type', { type: 5 }, 'unknown_type'],
    ['without hashes', storedMap({ block_hashes: null }), 'bad_hashes'],
    ['with a hash of 7 bytes', storedMap({ block_hashes: [Buffer.alloc(7)] }), 'bad_hashes'],
    ['with 0 for a hash', storedMap({ block_hashes: [0] }), 'bad_hashes'],
    ['with 8 bytes of 0 for a hash', storedMap({ block_hashes: [Buffer.alloc(8)] }), 'bad_hashes'],
    ['with a fraction for a hash', storedMap({ block_hashes: [1.5] }), 'bad_hashes'],
    ['with a list for a hash', storedMap({ block_hashes: [[1]] }), 'bad_hashes'],
    ['with a text for a parent', storedMap({ parent_block_hash: 'x' }), 'bad_parent'],
    ['without tokens', storedMap({ token_ids: null }), 'bad_tokens'],
    ['with a text among its tokens', storedMap({ token_ids: [1, 'x'] }), 'bad_tokens'],
    ['with an empty list for a token', storedMap({ token_ids: [1, []] }), 'bad_tokens'],
    ['with triples for tokens', storedMap({ token_ids: [[1, 2, 3]] }), 'bad_tokens'],
    ['with pairs among its tokens', storedMap({ token_ids: [1, [1, 2]] }), 'bad_tokens'],
    ['with half a pair', storedMap({ token_ids: [[1, 2], [3]] }), 'bad_tokens'],
    ['with a pair of texts', storedMap({ token_ids: [['a', 'b']] }), 'bad_tokens'],
    ['with a pair of a negative token', storedMap({ token_ids: [[1, -2]] }), 'bad_tokens'],
    ['with a number for what follows', storedMap({ lookahead_token_ids: 3 }), 'bad_lookahead'],
    ['with a number for what follows a block', storedMap({ lookahead_token_ids: [3, 4] }), 'bad_lookahead'],
    [
      'with more following one block than the other',
      storedMap({ lookahead_token_ids: [[3], [4, 5]] }),
      'bad_lookahead',
    ],
    ['with nil for what follows a block', storedMap({ lookahead_token_ids: [[3], null] }), 'bad_lookahead'],
    ['with a negative token', storedMap({ token_ids: [-1] }), 'bad_tokens'],
    ['with a fraction for a token', storedMap({ token_ids: [0.5] }), 'bad_tokens'],
    ['with a token of 33 bits', storedMap({ token_ids: [2 ** 32] }), 'bad_tokens'],
    ['without a block size', storedMap({ block_size: null }), 'bad_block_size'],
    ['with a negative block size', storedMap({ block_size: -16 }), 'bad_block_size'],
    ['with a huge block size', storedMap({ block_size: 2n ** 60n }), 'bad_block_size'],
    ['with a number for an adapter', storedMap({ lora_name: 3 }), 'bad_lora'],
    ['of an adapter without a name', storedMap({ lora_id: 3 }), 'unnamed_adapter'],
    ['of an adapter with an empty name', storedMap({ lora_id: 3, lora_name: '' }), 'unnamed_adapter'],
    ['of an adapter with a text for its number', storedMap({ lora_id: 'sql' }), 'unnamed_adapter'],
    ['with a number for a salt', storedMap({ cache_salt: 3 }), 'bad_salt'],
    [
      'with a number for a salt at position 7',
      ['BlockStored', [1], null, [1], 1, null, 'GPU', { cache_salt: 3 }],
      'bad_salt',
    ],
    ['with a text for a group', storedMap({ group_idx: 'x' }), 'bad_group'],
    ['with a negative group', storedMap({ group_idx: -1 }), 'bad_group'],
    ['with a number for the kind of its group', storedMap({ kv_cache_spec_kind: 3 }), 'bad_group'],
    ['with a text for extra keys', storedMap({ extra_keys: 'salt' }), 'bad_extra_keys'],
    [
      'with a text for the extra keys of a block',
      storedMap({ extra_keys: ['salt', null] }),
      'bad_extra_keys',
    ],
    ['with a time among the extra keys', storedMap({ extra_keys: [[new Date(0)]] }), 'bad_extra_keys'],
    ['with a time inside an extra key', storedMap({ extra_keys: [[['x', new Date(0)]]] }), 'bad_extra_keys'],
    [
      'with a time in a map of an extra key',
      storedMap({ extra_keys: [[{ x: new Date(0) }]] }),
      'bad_extra_keys',
    ],
    ['without a key that it needs', { type: 'BlockStored', block_hashes: [1], block_size: 1 }, 'bad_tokens'],
    [
      'without its block size, as a map',
      { type: 'BlockStored', block_hashes: [1], token_ids: [1] },
      'bad_block_size',
    ],
    ['cut short', ['BlockStored', [1]], 'bad_tokens'],
    ['of an unknown type that says nothing of removals', ['BlockRefreshed', [1]], 'unknown_type'],
    ['a map without a type before one that says so', { kind: 'TierBlocksCleared' }, 'unknown_type'],
  ];
  for (const [title, event, why] of bad) {
    it(`costs itself alone: ${title}`, () => {
      const batch = decodeBatch(batchOf(storedMap(), event, ['AllBlocksCleared']));
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.deepEqual(
        batch.events.map(({ kind }) => kind),
        ['stored', 'cleared'],
      );
      assert.deepEqual(batch.skipped, [why]);
      assert.isTrue(batch.whole);
    });
  }

  const gone: [title: string, event: unknown][] = [
    ['a removal without hashes', ['BlockRemoved']],
    ['a removal with nil for hashes', { type: 'BlockRemoved', block_hashes: null }],
    ['a removal with 0 for a hash', ['BlockRemoved', [1, 0]]],
    ['a removal with a text for a group', ['BlockRemoved', [1], 'GPU', 'x']],
    [
      'a removal, as a map, with a text for a group',
      { type: 'BlockRemoved', block_hashes: [1], group_idx: 'x' },
    ],
    ['of an unknown type that says cleared', ['TierBlocksCleared', 'CPU']],
    ['of an unknown type that says cleared, as a map', { type: 'TierBlocksCleared', medium: 'CPU' }],
    ['of an unknown type that says removed, at the end of a map', { medium: 'CPU', type: 'RangeRemoved' }],
    ['of an unknown type that says evicted', ['BLOCKS_EVICTED', [1]]],
  ];
  for (const [title, event] of gone) {
    it(`costs all that is believed, as nobody knows what is gone: ${title}`, () => {
      const batch = decodeBatch(batchOf(storedMap(), event, ['AllBlocksCleared']));
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.lengthOf(batch.events, 2);
      assert.deepEqual(batch.skipped, ['unreadable_removal']);
      assert.isFalse(batch.whole);
    });
  }

  it('never throws, however deep it is nested', () => {
    const [start, nil] = [storedMap({ extra_keys: [['MARK']] }), Buffer.from([0xc0])];
    const [before, after] = split(batchOf(start, ['AllBlocksCleared']), Buffer.from('\xa4MARK', 'latin1'));
    const outcomes = new Set<string>();
    for (let depth = 1; depth < 50_000; depth = Math.ceil(1.3 * depth)) {
      const batch = decodeBatch(Buffer.concat([before, Buffer.alloc(depth, 0x91), nil, after]));
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.deepEqual(batch.events.at(-1), { kind: 'cleared' });
      assert.isTrue(batch.whole);
      outcomes.add(batch.skipped[0] ?? 'read');
    }
    assert.sameMembers([...outcomes], ['read', 'bad_extra_keys']);
  });
});

describe('a payload that is no batch', () => {
  const bad: [title: string, payload: Uint8Array, why: MalformedKind][] = [
    ['empty', new Uint8Array(), 'broken'],
    ['of a type that is never used', hex('c1'), 'broken'],
    ['cut before its events', batchOf(storedMap()).subarray(0, 10), 'broken'],
    ['a map that is cut', pack({ ts: 1.5, events: [] }).subarray(0, -1), 'broken'],
    ['a map that is cut in an unknown key', hex('82a474'), 'broken'],
    ['more values than bytes', hex('ddffffffff'), 'broken'],
    ['a number', pack(5), 'not_a_batch'],
    ['nil', pack(null), 'not_a_batch'],
    ['an empty array', pack([]), 'no_time'],
    ['an empty map', pack({}), 'no_time'],
    ['without a time', pack([null, []]), 'no_time'],
    ['with a time that is no number', pack([Number.NaN, []]), 'no_time'],
    ['without events', pack([1.5]), 'no_events'],
    ['with a map for events', pack([1.5, {}]), 'no_events'],
  ];
  for (const [title, payload, why] of bad) {
    it(`is malformed: ${title}`, () => {
      assert.deepEqual(decodeBatch(payload), { kind: 'malformed', why });
    });
  }
});

describe('a payload that breaks behind its first events', () => {
  const good = batchOf(['AllBlocksCleared'], storedMap());
  const cases: [title: string, payload: Uint8Array, events: number][] = [
    ['cut in the rank', good.subarray(0, -1), 2],
    ['cut in the second event', good.subarray(0, -20), 1],
    ['a value that is never used in the second event', replaced(good, 'a3475055', 'c1475055'), 1],
    ['a length that is too large in the second event', replaced(good, '9401020304', 'ddffffffff'), 1],
    ['followed by another batch', Buffer.concat([good, good]), 2],
    [
      'a map, cut in the second event',
      pack({ ts: 1.5, events: [['AllBlocksCleared'], storedMap()] }).subarray(0, -20),
      1,
    ],
  ];
  for (const [title, payload, events] of cases) {
    it(`gives what came before and says that it is not whole: ${title}`, () => {
      const batch = decodeBatch(payload);
      if (batch.kind !== 'batch') assert.fail(batch.why);
      assert.isFalse(batch.whole);
      assert.lengthOf(batch.events, events);
      assert.deepEqual(batch.events[0], { kind: 'cleared' });
      assert.deepEqual(batch.skipped, []);
    });
  }
});

function split(bytes: Buffer, mark: Buffer): [Buffer, Buffer] {
  const at = bytes.indexOf(mark);
  return [bytes.subarray(0, at), bytes.subarray(at + mark.length)];
}

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  return hex(bytes.toString('hex').replace(from, to));
}
