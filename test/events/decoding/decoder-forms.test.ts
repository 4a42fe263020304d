import { assert } from 'chai';
import { decoded, only, storedEvent } from '../../support/decoded.ts';
import { batchOf, engineHash, engineHashes, group, pack, storedMap } from '../../support/kv-events.ts';

describe('decoding events of SGLang', () => {
  const [negative, next] = [-1_234_567_890_123_456_789n, 2n ** 62n];
  const array: unknown[] = ['BlockStored', [negative, next], null, [1, 2], 1, null, 'GPU'];

  it('reads the salt in a map where vLLM has the name of the adapter', () => {
    const event = storedEvent(only([...array, { later: [1], cache_salt: 'tenant-a' }]));
    assert.deepEqual([event.salt, event.loraName], ['tenant-a', undefined]);
    assert.deepEqual(event.hashes, engineHashes(negative, next));
    assert.isUndefined(storedEvent(only(array)).salt);
    assert.isUndefined(storedEvent(only([...array, { cache_salt: null }])).salt);
  });

  it('reads the salt in a map by its key', () => {
    const event = storedEvent(
      only({
        type: 'BlockStored',
        block_hashes: [negative],
        parent_block_hash: next,
        token_ids: [7],
        block_size: 1,
        lora_id: null,
        cache_salt: 'tenant-a',
      }),
    );
    assert.deepEqual([event.salt, event.parent], ['tenant-a', engineHash(next)]);
  });

  it('takes TensorRT-LLM’s multimodal keys for extra keys', () => {
    const key = { type: 'mm_key', hash: 'cafe', start_offset: 3 };
    const other = { kind: 'other', json: JSON.stringify(key) } as const;
    const { extra_keys: _, ...bare } = storedMap();
    assert.deepEqual(storedEvent(only({ ...bare, mm_keys: [[], [key]] })).extraKeys, [[], [other]]);
    const both = storedMap({ extra_keys: [['sql'], null], mm_keys: [[key], []] });
    assert.deepEqual(storedEvent(only(both)).extraKeys, [[{ kind: 'text', text: 'sql' }, other], []]);
    assert.deepEqual(storedEvent(only(storedMap({ mm_keys: null }))).extraKeys, [undefined, undefined]);
  });

  it('leaves out what is about no blocks', () => {
    const none = storedMap({ block_hashes: [], token_ids: [], extra_keys: [] });
    const batch = decoded(batchOf(none, ['BlockRemoved', []], storedMap(), none, ['AllBlocksCleared']));
    assert.deepEqual(
      batch.events.map(({ kind }) => kind),
      ['stored', 'cleared'],
    );
    assert.isEmpty(batch.skipped);
  });

  it('takes pairs for tokens, each with the one after it', () => {
    const pairs = [
      ...[
        [1, 2],
        [2, 70_000],
        [70_000, 4],
        [4, 5],
      ],
    ];
    const event = storedEvent(only(['BlockStored', [11, 12], null, pairs, 2]));
    assert.deepEqual(event.tokenIds, Uint32Array.of(1, 2, 70_000, 4));
    assert.deepEqual(event.lookahead, { tokens: 1, ids: Uint32Array.of(70_000, 5) });
  });

  it('takes what follows each block for a part of its hash', () => {
    const event = storedEvent(
      only(
        storedMap({
          lookahead_token_ids: [
            [3, 4],
            [5, 6],
          ],
        }),
      ),
    );
    assert.deepEqual(event.lookahead, { tokens: 2, ids: Uint32Array.of(3, 4, 5, 6) });
    for (const none of [null, [], [[], []]]) {
      const { lookahead } = storedEvent(only(storedMap({ lookahead_token_ids: none })));
      assert.deepEqual(lookahead, { tokens: 0, ids: new Uint32Array() });
    }
  });
});

describe('where a block is', () => {
  const media: [sent: unknown, medium: string][] = [
    ['GPU', 'gpu'],
    [null, 'gpu'],
    ['CPU', 'cpu'],
    ['CPU_PINNED', 'cpu'],
    ['STORAGE', 'storage'],
    ['FS', 'storage'],
    ['OBJ', 'storage'],
    ['DISK', 'storage'],
    ['EXTERNAL', 'storage'],
    ...['gpu', 'Gpu'].map(name => [name, 'gpu'] as [string, string]),
    ...['cpu', 'Cpu', 'CPU_TIER1', 'cpu-pinned', 'CPU0', 'HOST', 'host_pinned', 'DRAM'].map(
      name => [name, 'cpu'] as [string, string],
    ),
    ...['storage', 'fs', 'NVME', 'nvme0', 'LOCAL_DISK', 'SSD', 'S3', 'External'].map(
      name => [name, 'storage'] as [string, string],
    ),
    // As each other machine has them, too.
    ...['REMOTE', 'REMOTE_CPU', 'remote-storage'].map(name => [name, 'unknown'] as [string, string]),
    ...['GPU_PEER', 'GPUS', 'CPUS', 'HOSTILE', 'TAPE'].map(name => [name, 'unknown'] as [string, string]),
    ['', 'unknown'],
    [7, 'unknown'],
    [['GPU'], 'unknown'],
  ];
  for (const [sent, expected] of media) {
    it(`is ${expected} for ${JSON.stringify(sent)}`, () => {
      for (const event of [
        only(storedMap({ medium: sent })),
        only(['BlockRemoved', [1], sent, 3]),
        only({ type: 'BlockRemoved', block_hashes: [1], medium: sent, group_idx: 3 }),
      ]) {
        assert.equal(event.kind === 'cleared' ? event.kind : event.medium, expected);
      }
    });
  }

  for (const [locality, expected] of [
    ['REMOTE', 'unknown'],
    ['remote', 'unknown'],
    ['LOCAL', 'cpu'],
    ['', 'cpu'],
    [null, 'cpu'],
    [7, 'cpu'],
    [['REMOTE'], 'cpu'],
  ] as const) {
    it(`is ${expected} where its locality is ${JSON.stringify(locality)}`, () => {
      for (const event of [
        only(storedMap({ locality, medium: 'CPU' })),
        only({ locality, type: 'BlockRemoved', block_hashes: [1], medium: 'CPU', group_idx: 3 }),
      ]) {
        assert.equal(event.kind === 'cleared' ? event.kind : event.medium, expected);
      }
    });
  }

  for (const [medium, expected] of [
    ['CPU_PINNED', [undefined, undefined]],
    ['cpu_tier1', [undefined, undefined]],
    ['DISK', [undefined, undefined]],
    ['CPU', []],
    ['NVME', []],
  ] as const) {
    it(`says ${expected.length === 0 ? 'nothing' : 'all'} of extra keys that are left out: ${medium}`, () => {
      const event = only(storedMap({ medium, extra_keys: null }));
      assert.deepEqual(event.kind === 'stored' && event.extraKeys, expected);
    });
  }

  for (const kind of ['full_attention', 'sliding_window_mla', 'mamba', 'invented_later', null]) {
    it(`names the group as the engine does: ${kind}`, () => {
      const event = storedEvent(only(storedMap({ group_idx: 2, kv_cache_spec_kind: kind })));
      assert.deepEqual(event.group, group(2, kind ?? undefined));
    });
  }
});

describe('the window of a group', () => {
  const windows: [sent: unknown, windowTokens: number | undefined][] = [
    [512, 512],
    [512n, 512],
    [0, 0],
    [null, undefined],
    [-1, undefined],
    [0.5, undefined],
    ['wide', undefined],
    [[512], undefined],
  ];
  for (const [sent, windowTokens] of windows) {
    it(`is ${windowTokens ?? 'not known'} for ${typeof sent === 'bigint' ? sent : JSON.stringify(sent)}`, () => {
      const given = { kv_cache_spec_kind: 'sliding_window', kv_cache_spec_sliding_window: sent };
      const expected = group(0, 'sliding_window', windowTokens);
      assert.deepEqual(storedEvent(only(storedMap(given))).group, expected);
      const start = ['BlockStored', [1], null, [7], 1, null, 'GPU', null, [null], 0, 'sliding_window'];
      assert.deepEqual(storedEvent(only([...start, sent])).group, expected);
    });
  }
});

describe('decoding a batch', () => {
  const ranks: [sent: unknown[], rank: number | undefined][] = [
    [[], undefined],
    [[0], 0],
    [[null], undefined],
    [[3n, 'later'], 3],
    [['x'], undefined],
  ];
  for (const [sent, rank] of ranks) {
    it(`reads it with ${sent.length === 0 ? 'nothing' : sent.join()} after its events`, () => {
      const batch = decoded(pack([12.5, [storedMap()], ...sent]));
      assert.deepEqual([batch.at, batch.rank], [12.5, rank]);
      assert.lengthOf(batch.events, 1);
    });
  }

  it('reads it as a map', () => {
    for (const name of ['data_parallel_rank', 'attn_dp_rank']) {
      const batch = decoded(pack({ [name]: 2, later: {}, events: [storedMap()], ts: 12 }));
      assert.deepEqual([batch.at, batch.rank, batch.events.length], [12, 2, 1]);
    }
  });

  it('reads it without events', () => {
    assert.deepEqual(decoded(batchOf()).events, []);
  });
});
