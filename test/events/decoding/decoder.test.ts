import { assert } from 'chai';
import type { EngineHashes, KvEvent, StoredEvent } from '../../../src/events/decoding/kv-event.ts';
import { NO_LOOKAHEAD } from '../../../src/prompt/blocks.ts';
import { decoded, only, storedEvent } from '../../support/decoded.ts';
import {
  batchOf,
  engineHash,
  engineHashes,
  FULL_ATTENTION,
  group,
  hex,
  recordedFrames,
  removed,
  scenarios,
  storedMap,
  VERSIONS,
} from '../../support/kv-events.ts';

const text = (value: string) => ({ kind: 'text', text: value });

const NO_GROUP = group();

/** Each hash as 16 digits. */
function hexOf({ lanes }: EngineHashes): string[] {
  const digits = Array.from(lanes, lane => lane.toString(16).padStart(8, '0'));
  return digits.flatMap((hi, i) => (i % 2 === 0 ? [hi + digits[i + 1]] : []));
}

/** The last of an event's hashes. */
function lastHash({ hashes }: StoredEvent) {
  const [hi, lo] = hashes.lanes.subarray(-2);
  return { hi, lo };
}

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
          lookahead: NO_LOOKAHEAD,
          loraName: undefined,
          salt: undefined,
          medium: 'gpu',
          group: FULL_ATTENTION,
          extraKeys: new Array(13).fill(undefined),
        },
      );
      assert.deepEqual(second!.parent, lastHash(first!) as never);
    });

    it('reads hashes to their last bit', () => {
      for (const [name, { payloads }] of Object.entries(recorded)) {
        const events = eventsOf(name as keyof typeof recorded);
        for (const event of events) {
          if (event.kind === 'cleared') continue;
          for (const bytes of hexOf(event.hashes)) {
            const sent = bytes.replace(/^0{8}/, '');
            assert.isTrue(
              payloads.some(payload => payload.includes(sent)),
              `${name}: ${bytes}`,
            );
          }
        }
      }
    });

    it('reads removals, and where they were', () => {
      const removed = eventsOf('eviction').filter(event => event.kind === 'removed');
      assert.isAbove(
        removed.reduce((sum, { events }) => sum + events, 0),
        50,
      );
      for (const { hashes, medium, group: from, events } of removed) {
        assert.equal(hashes.length, events);
        assert.deepEqual([medium, from], ['gpu', group(0)]);
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
      assert.equal(hashes.length, 3);
      for (const last8 of hexOf(hashes)) {
        // bin 8 of 32 bytes: c4 20, 24 bytes, and then these.
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
    ['a whole float', 2 ** 40, 2n ** 40n],
    ['16 bytes', Buffer.from(`${'ab'.repeat(8)}0000000000000002`, 'hex'), 2n],
  ];
  for (const [title, sent, hash] of cases) {
    it(`reads ${title} as unsigned, as block and as parent`, () => {
      const event = storedEvent(only(storedMap({ block_hashes: [sent, 1], parent_block_hash: sent })));
      assert.deepEqual(event.hashes, engineHashes(hash, 1));
      assert.deepEqual(event.parent, engineHash(hash));
      assert.deepEqual(only(['BlockRemoved', [sent]]), {
        kind: 'removed',
        hashes: engineHashes(hash),
        medium: 'gpu',
        group: NO_GROUP,
        events: 1,
      });
    });
  }

  it('reads a parent of 0 as none, which llm-d-inference-sim sends so', () => {
    assert.isUndefined(storedEvent(only(storedMap({ parent_block_hash: 0 }))).parent);
  });
});

describe('decoding events of other versions', () => {
  /** In wire order; older versions end earlier. */
  const array: unknown[] = [
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
    1_024,
  ];

  it('reads arrays that end after the fields of vLLM 0.9, 0.15, 0.16 or 0.20', () => {
    for (const length of [5, 8, 9, 10, 11, 12]) {
      const event = storedEvent(only(array.slice(0, length)));
      assert.deepEqual(event.hashes, engineHashes(11, 12));
      assert.deepEqual(event.parent, engineHash(10));
      assert.deepEqual([...event.tokenIds, event.blockSizeTokens], [1, 2, 3, 4, 2]);
      assert.equal(event.loraName, length > 7 ? 'sql' : undefined);
      assert.deepEqual(event.extraKeys, (length > 8 ? [[text('sql')], undefined] : []) as never);
      assert.deepEqual(
        event.group,
        group(
          length > 9 ? 1 : undefined,
          length > 10 ? 'mla_attention' : undefined,
          length > 11 ? 1_024 : undefined,
        ),
      );
      assert.equal(event.medium, 'gpu');
    }
  });

  it('takes no block of an adapter that is not named, as up to vLLM 0.14, for one of the base model', () => {
    for (const length of [6, 7]) {
      const batch = decoded(batchOf(array.slice(0, length), ['AllBlocksCleared']));
      assert.deepEqual(batch.skipped, ['unnamed_adapter']);
      assert.lengthOf(batch.events, 1);
      for (const none of [null, 0]) {
        const base = array.with(5, none).slice(0, length);
        assert.isUndefined(storedEvent(only(base)).loraName);
      }
    }
    const named = storedMap({ lora_id: 3, lora_name: 'sql' });
    assert.equal(storedEvent(only(named)).loraName, 'sql');
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
      group: NO_GROUP,
    } as never);
  });

  it('reads integers that were sent in 64 bits', () => {
    const wide = storedMap({ token_ids: [1n, 2n, 3n, 4n], block_size: 2n, group_idx: 0n });
    assert.deepEqual(only(wide), only(storedMap()));
  });

  it('makes one of removals in a row, whatever is skipped between them', () => {
    const one = (hash: number) => ({
      type: 'BlockRemoved',
      block_hashes: [hash],
      medium: 'GPU',
      group_idx: 0,
    });
    const { events, skipped } = decoded(
      batchOf(one(1), one(2), ['Unknown'], ['BlockRemoved', [3, 4], null, 0]),
    );
    assert.deepEqual(events, [removed([1, 2, 3, 4], { events: 3 })]);
    assert.deepEqual(skipped, ['unknown_type']);
  });

  const REMOVAL = { type: 'BlockRemoved', block_hashes: [1], medium: 'GPU', group_idx: 0 };
  for (const [what, between] of [
    ['a store', storedMap()],
    ['a clear', ['AllBlocksCleared']],
    ['one from another medium', { ...REMOVAL, medium: 'CPU' }],
    ['one of another group', { ...REMOVAL, group_idx: 1 }],
  ] as const) {
    it(`keeps removals apart that have ${what} between them`, () => {
      const [first, , last, ...more] = decoded(batchOf(REMOVAL, between, REMOVAL)).events;
      assert.deepEqual([first, last], [removed([1]), removed([1])]);
      assert.isEmpty(more);
    });
  }

  it('reads a removal and a clear in both forms', () => {
    const removal: KvEvent = {
      kind: 'removed',
      hashes: engineHashes(7, 8),
      medium: 'gpu',
      group: group(1),
      events: 1,
    };
    assert.deepEqual(only(['BlockRemoved', [7, 8], 'GPU', 1]), removal);
    assert.deepEqual(only({ type: 'BlockRemoved', block_hashes: [7, 8], group_idx: 1 }), removal);
    assert.deepEqual(only({ group_idx: 1, block_hashes: [7, 8], type: 'BlockRemoved' }), removal);
    assert.deepEqual(only(['AllBlocksCleared']), { kind: 'cleared' });
    assert.deepEqual(only({ type: 'AllBlocksCleared', medium: 'GPU' }), { kind: 'cleared' });
  });

  it('reads multimodal identifiers among the extra keys, whatever their shape', () => {
    const bytes = Buffer.from([1, 2]);
    const large = 2n ** 64n - 1n;
    const keys = [['sql', ['image-hash', 5n], 'salt'], [{ a: 1, 2: [null, true] }], [bytes, large, 0.5], []];
    const { extraKeys } = storedEvent(only(storedMap({ extra_keys: keys })));
    assert.deepEqual(extraKeys[0], [
      text('sql'),
      { kind: 'other', json: '["image-hash",5]' },
      text('salt'),
    ] as never);
    assert.deepEqual(extraKeys[1], [{ kind: 'other', json: '{"2":[null,true],"a":1}' }]);
    assert.deepEqual(
      extraKeys[2]!.map(key => (key.kind === 'other' ? key.json : key)),
      ['{"bytes":"0102"}', '18446744073709551615', '0.5'],
    );
    assert.deepEqual(extraKeys[3], []);
  });

  it('reads a placeholder of an offloaded block', () => {
    const event = storedEvent(
      only(storedMap({ block_hashes: [9], token_ids: [], block_size: 0, medium: 'CPU', extra_keys: null })),
    );
    assert.deepEqual([event.blockSizeTokens, event.tokenIds.length, event.extraKeys], [0, 0, []]);
    assert.equal(event.medium, 'cpu');
  });
});
