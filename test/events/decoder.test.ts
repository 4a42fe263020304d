import { assert } from 'chai';
import { type DecodedBatch, decodeBatch } from '../../src/events/decoder.ts';
import type { KvEvent, StoredEvent } from '../../src/events/kv-event.ts';
import {
  batchOf,
  engineHash,
  hex,
  pack,
  recordedFrames,
  scenarios,
  storedMap,
  VERSIONS,
} from '../support/kv-events.ts';

type Batch = Extract<DecodedBatch, { kind: 'batch' }>;

function decoded(payload: Uint8Array): Batch {
  const batch = decodeBatch(payload);
  if (batch.kind === 'malformed') assert.fail(batch.why);
  return batch;
}

function only(...events: readonly unknown[]): KvEvent {
  const batch = decoded(batchOf(...events));
  assert.deepEqual(batch.skipped, []);
  assert.lengthOf(batch.events, 1);
  return batch.events[0]!;
}

function storedEvent(event: KvEvent | undefined): StoredEvent {
  if (event?.kind !== 'stored') assert.fail(`${event?.kind} instead of stored`);
  return event;
}

const text = (value: string) => ({ kind: 'text', text: value });

for (const version of VERSIONS) {
  describe(`decoding what vLLM ${version} published`, () => {
    const recorded = scenarios(version);
    const eventsOf = (name: keyof typeof recorded) =>
      recorded[name].payloads.flatMap(payload => {
        const batch = decoded(hex(payload));
        assert.deepEqual(batch.skipped, []);
        assert.isAbove(batch.at, 1_700_000_000);
        return batch.events;
      });

    it('reads every field of a store', () => {
      const [first, second] = eventsOf('decode').map(storedEvent);
      const prompt = recorded.decode.steps[0];
      assert.equal(prompt?.kind, 'request');
      assert.deepEqual(
        { ...first, hashes: first!.hashes.length, tokenIds: [...first!.tokenIds] },
        {
          kind: 'stored',
          hashes: 13,
          parent: undefined,
          tokenIds: prompt?.kind === 'request' ? prompt.promptTokens.slice(0, 208) : [],
          blockSizeTokens: 16,
          loraName: undefined,
          place: { kind: 'gpu', group: 0 },
          extraKeys: new Array(13).fill(undefined),
        },
      );
      assert.equal(second!.parent, first!.hashes.at(-1));
    });

    it('reads hashes to their last bit', () => {
      for (const [name, { payloads }] of Object.entries(recorded)) {
        const events = eventsOf(name as keyof typeof recorded);
        for (const event of events) {
          if (event.kind === 'cleared') continue;
          for (const hash of event.hashes) {
            assert.isTrue(hash >= 0n && hash < 2n ** 64n);
            const bytes = hash.toString(16).padStart(16, '0').replace(/^0{8}/, '');
            assert.isTrue(
              payloads.some(payload => payload.includes(bytes)),
              `${name}: ${bytes}`,
            );
          }
        }
      }
    });

    it('reads removals, one hash each, and where they were', () => {
      const removed = eventsOf('eviction').filter(event => event.kind === 'removed');
      assert.isAbove(removed.length, 50);
      for (const { hashes, place } of removed) {
        assert.lengthOf(hashes, 1);
        assert.deepEqual(place, { kind: 'gpu', group: 0 });
      }
    });

    it('reads two clears and a store in one batch', () => {
      const last = decoded(hex(recorded.reset.payloads.at(-1)!));
      assert.deepEqual(
        last.events.map(({ kind }) => kind),
        ['cleared', 'cleared', 'stored'],
      );
    });

    it('reads the salt in the extra keys of the first block', () => {
      const keys = eventsOf('salt').map(event => storedEvent(event).extraKeys);
      assert.deepEqual(keys, [
        [undefined, undefined, undefined, undefined],
        [[text('tenant-a')], undefined, undefined, undefined],
        [[text('tenant-b')], undefined, undefined, undefined],
      ] as never);
    });

    it('reads the adapter, as a field and in the extra keys', () => {
      const events = eventsOf('lora').map(storedEvent);
      assert.deepEqual(
        events.map(({ loraName }) => loraName),
        [undefined, 'ad1', 'ad1'],
      );
      const adapter = [text('ad1')];
      assert.deepEqual(events[2]!.extraKeys, [[...adapter, text('tenant-a')], adapter, adapter] as never);
    });
  });
}

describe('decoding hashes', () => {
  it('takes the last 8 of the bytes that vLLM sends on request', () => {
    for (const [, , payload] of recordedFrames('bytes')) {
      const { hashes } = storedEvent(decoded(payload!).events[0]);
      assert.lengthOf(hashes, 3);
      for (const hash of hashes) {
        // bin 8 of 32 bytes: c4 20, 24 bytes, and then these.
        const last8 = hash.toString(16).padStart(16, '0');
        assert.match(payload!.toString('hex'), new RegExp(`c420[0-9a-f]{48}${last8}`));
      }
    }
  });

  const cases: [title: string, sent: unknown, hash: bigint][] = [
    ['a small integer', 5, 5n],
    ['an unsigned 64-bit integer', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['an integer that a double cannot hold', 2n ** 53n + 1n, 2n ** 53n + 1n],
    ['a signed integer, as before vLLM 0.10.2', -(2n ** 63n), 2n ** 63n],
    ['a small negative integer', -1, 2n ** 64n - 1n],
    ['8 bytes', Buffer.from('ff00000000000001', 'hex'), 0xff00000000000001n],
    ['16 bytes', Buffer.from(`${'ab'.repeat(8)}0000000000000002`, 'hex'), 2n],
  ];
  for (const [title, sent, hash] of cases) {
    it(`reads ${title} as unsigned, as block and as parent`, () => {
      const event = storedEvent(only(storedMap({ block_hashes: [sent, 1], parent_block_hash: sent })));
      assert.deepEqual(event.hashes, [hash, 1n] as never);
      assert.equal(event.parent, hash as never);
      assert.deepEqual(only(['BlockRemoved', [sent]]), {
        kind: 'removed',
        hashes: [engineHash(hash)],
        place: { kind: 'gpu', group: undefined },
      });
    });
  }
});

describe('decoding events of other versions', () => {
  /** In wire order; older versions end earlier. */
  const array = [
    'BlockStored',
    [11, 12],
    10,
    [1, 2, 3, 4],
    2,
    3,
    'GPU',
    'sql',
    [['sql'], null],
    1,
    'mla_attention',
    null,
  ];

  it('reads arrays that end after the fields of vLLM 0.9, 0.11, 0.15, 0.16 or 0.20', () => {
    for (const length of [5, 6, 7, 8, 9, 10, 11, 12]) {
      const event = storedEvent(only(array.slice(0, length)));
      assert.deepEqual([event.hashes, event.parent], [[11n, 12n], 10n] as never);
      assert.deepEqual([...event.tokenIds, event.blockSizeTokens], [1, 2, 3, 4, 2]);
      assert.equal(event.loraName, length > 7 ? 'sql' : undefined);
      assert.deepEqual(event.extraKeys, (length > 8 ? [[text('sql')], undefined] : []) as never);
      assert.equal(event.place.group, length > 9 ? 1 : undefined);
      // Without its kind, a second group may be anything.
      assert.equal(event.place.kind, length === 10 ? 'other_group' : 'gpu');
    }
  });

  it('reads arrays with more fields than are known', () => {
    assert.deepEqual(only([...array, 'LOCAL', { new: 1 }]), only(array));
  });

  it('reads maps with unknown keys, in any order, with nothing but what is needed', () => {
    const { type, block_hashes, parent_block_hash, token_ids, block_size } = storedMap();
    const event = only({
      session_id: 'x',
      block_size,
      token_ids,
      parent_block_hash,
      block_hashes,
      later: [1],
      type,
    });
    assert.deepEqual(event, {
      ...only(storedMap()),
      extraKeys: [],
      place: { kind: 'gpu', group: undefined },
    } as never);
  });

  it('reads integers that were sent in 64 bits', () => {
    const wide = storedMap({ token_ids: [1n, 2n, 3n, 4n], block_size: 2n, group_idx: 0n });
    assert.deepEqual(only(wide), only(storedMap()));
  });

  it('reads a removal and a clear in both forms', () => {
    const removed = { kind: 'removed', hashes: [7n, 8n], place: { kind: 'gpu', group: 1 } };
    assert.deepEqual(only(['BlockRemoved', [7, 8], 'GPU', 1]), removed as never);
    assert.deepEqual(only({ type: 'BlockRemoved', block_hashes: [7, 8], group_idx: 1 }), removed as never);
    assert.deepEqual(only(['AllBlocksCleared']), { kind: 'cleared' });
    assert.deepEqual(only({ type: 'AllBlocksCleared', medium: 'GPU' }), { kind: 'cleared' });
  });

  it('reads multimodal identifiers among the extra keys, whatever their shape', () => {
    const bytes = Buffer.from([1, 2]);
    const keys = [['sql', ['image-hash', 5n], 'salt'], [{ a: 1 }], [bytes], []];
    const { extraKeys } = storedEvent(only(storedMap({ extra_keys: keys })));
    assert.deepEqual(extraKeys[0], [
      text('sql'),
      { kind: 'other', json: '["image-hash","5"]' },
      text('salt'),
    ] as never);
    assert.deepEqual(extraKeys[1], [{ kind: 'other', json: '{"a":1}' }]);
    assert.equal(extraKeys[2]![0]!.kind, 'other');
    assert.deepEqual(extraKeys[3], []);
  });

  it('reads a placeholder of an offloaded block', () => {
    const event = storedEvent(
      only(storedMap({ block_hashes: [9], token_ids: [], block_size: 0, medium: 'CPU', extra_keys: null })),
    );
    assert.deepEqual([event.blockSizeTokens, event.tokenIds.length, event.extraKeys], [0, 0, []]);
    assert.equal(event.place.kind, 'other_medium');
  });
});

describe('where a block is', () => {
  const cases: [medium: unknown, group: unknown, kind: unknown, place: string][] = [
    ['GPU', 0, 'full_attention', 'gpu'],
    [null, null, null, 'gpu'],
    ['GPU', 0, null, 'gpu'],
    ['GPU', 1, null, 'other_group'],
    ['GPU', 1, 'full_attention', 'gpu'],
    ['GPU', 2, 'mla_attention', 'gpu'],
    ['GPU', 0, 'sink_full_attention', 'gpu'],
    ['GPU', 0, 'sliding_window', 'other_group'],
    ['GPU', 1, 'mamba', 'other_group'],
    ['GPU', 0, 'invented_later', 'other_group'],
    ['GPU', 0, { toString: 1, valueOf: 2 }, 'other_group'],
    ['CPU', 0, 'full_attention', 'other_medium'],
    ['CPU', 0, 'sliding_window', 'other_medium'],
    ['STORAGE', null, null, 'other_medium'],
    ['gpu', 0, 'full_attention', 'other_medium'],
    [7, 0, 'full_attention', 'other_medium'],
  ];
  for (const [medium, group_idx, kv_cache_spec_kind, kind] of cases) {
    it(`is ${kind} for ${JSON.stringify([medium, group_idx, kv_cache_spec_kind])}`, () => {
      const { place } = storedEvent(only(storedMap({ medium, group_idx, kv_cache_spec_kind })));
      assert.deepEqual(place, { kind, group: group_idx ?? undefined } as never);
    });
  }

  it('is not known of a removal but for its medium', () => {
    const place = (medium: unknown) => {
      const event = only({ type: 'BlockRemoved', block_hashes: [1], medium, group_idx: 3 });
      return event.kind === 'removed' ? event.place : undefined;
    };
    assert.deepEqual(place('GPU'), { kind: 'gpu', group: 3 });
    assert.deepEqual(place('STORAGE'), { kind: 'other_medium', group: 3 });
  });
});

describe('decoding a batch', () => {
  for (const rank of [[], [0], [null], [3, 'later']]) {
    it(`reads it with ${JSON.stringify(rank)} after its events`, () => {
      const batch = decoded(pack([12.5, [storedMap()], ...rank]));
      assert.equal(batch.at, 12.5);
      assert.lengthOf(batch.events, 1);
    });
  }

  it('reads it as a map', () => {
    const batch = decoded(pack({ data_parallel_rank: 0, events: [storedMap()], ts: 12.5 }));
    assert.deepEqual([batch.at, batch.events.length], [12.5, 1]);
  });

  it('reads it without events', () => {
    assert.deepEqual(decoded(batchOf()).events, []);
  });
});
