/** Readable KV-event batches of every form that an engine, or a version of one, has. */
import type { AnyPacker, Encoded } from './any-msgpack.ts';

export function anyBatch(packer: AnyPacker): Encoded {
  const events = Array.from({ length: packer.below(5) }, () => anyEvent(packer));
  const ts = packer.pick([() => packer.float(1_700_000_000.25), () => packer.integer(1_700_000_000)])();
  const rank = packer.pick([() => packer.nil(), () => packer.integer(packer.below(300))]);
  const list = packer.array(events);
  return packer.pick([
    () => packer.array([ts, list]),
    () => packer.array([ts, list, rank()]),
    () => packer.array([ts, list, rank(), junk(packer)]),
    () =>
      packer.map(
        packer.shuffled([
          ['ts', ts],
          ['events', list],
          [packer.pick(['data_parallel_rank', 'attn_dp_rank']), rank()],
          ['later', junk(packer)],
        ]),
      ),
  ])();
}

type Entry = [name: string, value: Encoded];

function anyEvent(packer: AnyPacker): Encoded {
  return packer.pick([
    () => stored(packer),
    () => stored(packer),
    () => removed(packer),
    () => cleared(packer),
  ])();
}

function stored(packer: AnyPacker): Encoded {
  const hashes = packer.below(6);
  const required: Entry[] = [
    ['type', packer.text('BlockStored')],
    ['block_hashes', packer.array(Array.from({ length: hashes }, () => packer.hash(anyBits(packer))))],
    ['parent_block_hash', packer.pick([packer.nil(), packer.hash(anyBits(packer) | 1n)])],
    ['token_ids', tokens(packer, hashes)],
    ['block_size', packer.integer(packer.pick([0, 1, 16, 528, 70_000]))],
  ];
  const name = packer.pick([undefined, 'sql-adapter', 'ünï-\u{1f600}', 'a'.repeat(300)]);
  const optional: Entry[] = [
    ['lora_id', name === undefined ? packer.pick([packer.nil(), packer.integer(0)]) : packer.integer(3)],
    ['medium', medium(packer)],
    ['lora_name', name === undefined ? packer.nil() : packer.text(name)],
    ['extra_keys', packer.pick([packer.nil(), extraKeys(packer, hashes)])],
    ['group_idx', packer.pick([packer.nil(), packer.integer(packer.below(4))])],
    ['kv_cache_spec_kind', groupKind(packer)],
    ['kv_cache_spec_sliding_window', groupWindow(packer)],
  ];
  if (packer.below(2) === 0) {
    const kept = optional.filter(([key]) => (key === 'lora_name' ? name !== undefined : packer.below(4) > 0));
    const salt: Entry[] = packer.below(3) === 0 ? [['cache_salt', packer.text('tenant')]] : [];
    return packer.map(
      packer.shuffled([...required, ...kept, ...salt, ...locality(packer), ...later(packer)]),
    );
  }
  // SGLang has a map with the salt where vLLM has the adapter's name.
  if (name === undefined && packer.below(4) === 0) {
    optional[2] = ['', packer.map([['cache_salt', packer.text('tenant')], ...later(packer)])];
  }
  // An adapter's name is never cut off from its number.
  const least = name === undefined ? 0 : 3;
  const fields = [...required, ...optional.slice(0, least + packer.below(optional.length + 1 - least))];
  const all = fields.length === 12 ? [...fields, ...later(packer)] : fields;
  return packer.array(all.map(([, value]) => value));
}

function removed(packer: AnyPacker): Encoded {
  const hashes = Array.from({ length: packer.below(4) }, () => packer.hash(anyBits(packer)));
  const fields: Entry[] = [
    ['type', packer.text('BlockRemoved')],
    ['block_hashes', packer.array(hashes)],
    ['medium', medium(packer)],
    ['group_idx', packer.pick([packer.nil(), packer.integer(packer.below(4))])],
  ];
  if (packer.below(2) === 0)
    return packer.map(packer.shuffled([...fields, ...locality(packer), ...later(packer)]));
  return packer.array([...fields.slice(0, 2 + packer.below(3)).map(([, value]) => value)]);
}

function cleared(packer: AnyPacker): Encoded {
  const type = packer.text('AllBlocksCleared');
  return packer.pick([
    () => packer.array([type]),
    () => packer.array([type, junk(packer)]),
    () => packer.map(packer.shuffled([['type', type] as const, ...later(packer)])),
  ])();
}

function tokens(packer: AnyPacker, blocks: number): Encoded {
  const max = packer.pick([2 ** 7, 2 ** 16, 2 ** 20, 2 ** 32]);
  return packer.array(Array.from({ length: 16 * blocks }, () => packer.integer(packer.below(max))));
}

function medium(packer: AnyPacker): Encoded {
  const names = ['GPU', 'CPU', 'CPU_PINNED', 'STORAGE', 'FS', 'OBJ', 'DISK', 'EXTERNAL', 'TAPE', 'gpu', ''];
  return packer.pick([packer.nil(), packer.text(packer.pick(names))]);
}

function locality(packer: AnyPacker): Entry[] {
  return packer.pick([[], [['locality', packer.text(packer.pick(['LOCAL', 'REMOTE']))]]]);
}

function groupKind(packer: AnyPacker): Encoded {
  const names = ['full_attention', 'sliding_window', 'mamba', 'invented_later', 'full_attentioN'];
  return packer.pick([packer.nil(), packer.text(packer.pick(names))]);
}

function groupWindow(packer: AnyPacker): Encoded {
  return packer.pick([
    packer.nil(),
    packer.integer(packer.pick([0, 128, 70_000])),
    packer.integer(-1),
    packer.text('wide'),
  ]);
}

function extraKeys(packer: AnyPacker, blocks: number): Encoded {
  const key = () =>
    packer.pick([
      () => packer.text('salt "quoted" \ufffd'),
      () => packer.array([packer.text('image-hash'), packer.integer(packer.below(70_000) - 9)]),
      () => packer.map([['a', packer.array([packer.nil(), Buffer.of(0xc3), packer.float(0.5)])]]),
    ])();
  const keys = () => packer.array(Array.from({ length: packer.below(4) }, key));
  return packer.array(Array.from({ length: blocks }, () => packer.pick([packer.nil(), keys()])));
}

/** Fields that no decoder knows yet. */
function later(packer: AnyPacker): Entry[] {
  return Array.from({ length: packer.below(3) }, (_, i): Entry => [`later_${i}`, junk(packer)]);
}

function junk(packer: AnyPacker): Encoded {
  return packer.pick([
    () => packer.nil(),
    () => packer.text('LOCAL'),
    () => packer.integer(anyBits(packer)),
    () => packer.bytes(Buffer.alloc(300, 0xc1)),
    () => packer.array([packer.map([['type', packer.text('BlockStored')]]), packer.float(1.5)]),
  ])();
}

function anyBits(packer: AnyPacker): bigint {
  // No hash is 0.
  const random = (BigInt(1 + packer.below(2 ** 32 - 1)) << 32n) | BigInt(packer.below(2 ** 32));
  return packer.pick([
    random,
    random,
    (random >> 40n) | 1n,
    random | (0xffffn << 48n),
    2n ** 63n,
    2n ** 64n - 1n,
  ]);
}
