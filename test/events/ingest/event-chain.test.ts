/** Blocks of events as the read path would hash them: what decides whether a prompt finds them. */

import { assert } from 'chai';
import type { BlockChain, BlockHash } from '../../../src/domain.ts';
import type { ExtraKey, StoredEvent } from '../../../src/events/decoding/kv-event.ts';
import { chainOf } from '../../../src/events/ingest/event-chain.ts';
import { BlockHasher, blockAt } from '../../../src/prompt/blocks.ts';
import { HASHER, chainOf as promptOf, SEED, slice } from '../../support/blocks.ts';
import { engineHash, stored, tokensOf } from '../../support/kv-events.ts';

const MODEL = 'demo';
const text = (value: string): ExtraKey => ({ kind: 'text', text: value });
const other = (json: string): ExtraKey => ({ kind: 'other', json });
const CAT = other('["cat",0]');
const DOG = other('["dog",0]');

/** Of a prompt's first blocks. */
function first(given: Partial<StoredEvent> = {}, hashes: readonly number[] = [1, 2, 3]): BlockChain {
  return chainOf(stored(hashes, undefined, given), undefined, { model: MODEL, hasher: HASHER }).chain;
}

/** Of blocks that follow one that was placed. */
function following(parent: BlockHash, given: Partial<StoredEvent> = {}): BlockChain {
  return chainOf(stored([4, 5], 3, given), parent, { model: MODEL, hasher: HASHER }).chain;
}

/** As a request for these blocks is hashed. */
function asked(
  context: { model?: string; salt?: string } = {},
  hashes: readonly number[] = [1, 2, 3],
): BlockChain {
  return promptOf(tokensOf(hashes), 2, context);
}

/** The first block from which on two chains differ; undefined: they are equal. */
function differFrom(a: BlockChain, b: BlockChain): number | undefined {
  assert.equal(a.length, b.length);
  const blocks = Array.from({ length: a.length }, (_, i) => i);
  const equal = blocks.map(
    i => blockAt(a, i).hi === blockAt(b, i).hi && blockAt(a, i).lo === blockAt(b, i).lo,
  );
  const from = equal.indexOf(false);
  assert.isFalse(equal.slice(from === -1 ? equal.length : from).includes(true), 'chains do not meet again');
  return from === -1 ? undefined : from;
}

const same = (a: BlockChain, b: BlockChain) => assert.deepEqual(a, b);

describe('the chain of an event', () => {
  it('is that of a prompt of its tokens', () => {
    same(first(), asked());
  });

  it('goes on from the block that it follows, whatever that is', () => {
    const whole = asked({}, [1, 2, 3, 4, 5]);
    same(following(blockAt(whole, 2)), slice(whole, 3));
    const salted = asked({ salt: 'tenant' }, [1, 2, 3, 4, 5]);
    same(following(blockAt(salted, 2)), slice(salted, 3));
  });

  it('depends on the size of its blocks, and on the seed', () => {
    const event = stored([1, 2], undefined, { blockSizeTokens: 4 });
    same(chainOf(event, undefined, { model: MODEL, hasher: HASHER }).chain, promptOf(tokensOf([1, 2]), 4));
    const seeded = chainOf(stored([1]), undefined, { model: MODEL, hasher: new BlockHasher(SEED + 1) }).chain;
    assert.equal(differFrom(seeded, asked({}, [1])), 0);
  });

  it('has a model: the adapter that is named, or the base model', () => {
    const modelOf = (given: Partial<StoredEvent>) =>
      chainOf(stored([1], undefined, given), undefined, { model: MODEL, hasher: HASHER }).model;
    assert.deepEqual([modelOf({}), modelOf({ loraName: 'sql' })], [MODEL, 'sql']);
    assert.equal(modelOf({ extraKeys: [[text('sql')]] }), MODEL, 'and none that is not named as such');
  });

  it('is the same however often it is made, and leaves the event as it is', () => {
    const extraKeys = [[text('sql'), CAT, text('tenant')], [text('sql')]];
    const event = stored([1, 2], undefined, { loraName: 'sql', extraKeys });
    const before = structuredClone(event);
    const options = { model: MODEL, hasher: HASHER };
    assert.deepEqual(chainOf(event, undefined, options), chainOf(event, undefined, options));
    assert.deepEqual(event, before);
  });
});

describe('the context of an event', () => {
  it('is the adapter, whose name its extra keys have once more in each block, or not', () => {
    const keys = [text('sql')];
    for (const extraKeys of [[keys, keys, keys], [keys], [], [undefined, keys, undefined]]) {
      same(first({ loraName: 'sql', extraKeys }), asked({ model: 'sql' }));
    }
    assert.equal(differFrom(first({ loraName: 'sql' }), asked()), 0);
  });

  it('takes the name of another adapter for none', () => {
    const extraKeys = [undefined, [text('chat')]];
    assert.equal(differFrom(first({ loraName: 'sql', extraKeys }), asked({ model: 'sql' })), 1);
  });

  it('takes the adapter’s name from the first place only', () => {
    const extraKeys = [[text('sql'), text('sql')]];
    same(first({ loraName: 'sql', extraKeys }), asked({ model: 'sql', salt: 'sql' }));
    const later = [undefined, [text('sql'), text('sql')]];
    assert.equal(differFrom(first({ loraName: 'sql', extraKeys: later }), asked({ model: 'sql' })), 1);
    const behind = (image: ExtraKey) =>
      first({ loraName: 'sql', extraKeys: [undefined, [image, text('sql')]] });
    assert.equal(differFrom(behind(text('cat')), behind(text('dog'))), 1);
  });

  it('has the salt, which is the last text of a prompt’s first block', () => {
    same(first({ extraKeys: [[text('tenant')]] }), asked({ salt: 'tenant' }));
    same(first({ extraKeys: [[text('tenant')], [], []] }), asked({ salt: 'tenant' }));
    same(
      first({ loraName: 'sql', extraKeys: [[text('sql'), text('tenant')], [text('sql')]] }),
      asked({ model: 'sql', salt: 'tenant' }),
    );
  });

  it('has the salt that is said outright', () => {
    same(first({ salt: 'tenant' }), asked({ salt: 'tenant' }));
    same(first({ salt: 'tenant', loraName: 'sql' }), asked({ model: 'sql', salt: 'tenant' }));
    same(first({ salt: '' }), asked());
  });

  it('has no salt in a later block, nor where the block follows another', () => {
    assert.equal(differFrom(first({ extraKeys: [undefined, [text('tenant')]] }), asked()), 1);
    const whole = asked({}, [1, 2, 3, 4, 5]);
    const extraKeys = [[text('tenant')]];
    assert.equal(differFrom(following(blockAt(whole, 2), { extraKeys }), slice(whole, 3)), 0);
  });

  it('has no salt where the last of the keys is no text', () => {
    const mixed = first({ extraKeys: [[text('tenant'), CAT]] });
    for (const salt of ['', 'tenant']) assert.equal(differFrom(mixed, asked({ salt })), 0);
  });

  it('has no more to say once a block is known to be placed', () => {
    const parent = engineHash(3);
    const options = { model: MODEL, hasher: HASHER };
    const hash = blockAt(asked(), 2);
    const plain = chainOf({ ...stored([4]), parent }, hash, options).chain;
    for (const given of [
      { salt: 'tenant' },
      { loraName: 'sql' },
      { loraName: 'sql', extraKeys: [[text('sql')]] },
    ]) {
      same(chainOf({ ...stored([4]), parent, ...given }, hash, options).chain, plain);
    }
  });
});

describe('what else a block depends on', () => {
  it('tells it, and those that follow, from blocks of the same tokens', () => {
    const cat = first({ extraKeys: [undefined, [CAT]] });
    assert.equal(differFrom(cat, asked()), 1);
    assert.equal(differFrom(cat, first({ extraKeys: [undefined, [DOG]] })), 1);
    same(cat, first({ extraKeys: [undefined, [CAT], undefined] }));
  });

  it('is nothing where there are no keys', () => {
    for (const extraKeys of [[], [undefined], [[], [], []]]) same(first({ extraKeys }), asked());
  });

  it('is all of it, in its order', () => {
    const chains = [[CAT], [DOG], [CAT, DOG], [DOG, CAT], [CAT, CAT]].map(keys =>
      first({ extraKeys: [undefined, keys] }),
    );
    for (const [i, a] of chains.entries()) {
      for (const b of chains.slice(i + 1)) assert.equal(differFrom(a, b), 1);
    }
  });

  it('is something else in text than in structure', () => {
    const keys = (key: ExtraKey) => first({ extraKeys: [undefined, [key]] });
    assert.equal(differFrom(keys(text('cat')), keys(other('"cat"'))), 1);
  });

  it('goes with an adapter and a salt', () => {
    const withImage = (salt: string) =>
      first({ loraName: 'sql', extraKeys: [[text('sql'), CAT, text(salt)], [text('sql')]] });
    assert.equal(differFrom(withImage('one'), withImage('other')), 0);
    assert.equal(differFrom(withImage('one'), asked({ model: 'sql', salt: 'one' })), 0);
    const later = first({
      loraName: 'sql',
      extraKeys: [
        [text('sql'), text('one')],
        [text('sql'), CAT],
      ],
    });
    assert.equal(differFrom(later, asked({ model: 'sql', salt: 'one' })), 1);
  });

  it('is not that the adapter has a name', () => {
    const extraKeys = [[text('sql')], [text('sql'), CAT], [text('sql')]];
    same(
      first({ loraName: 'sql', extraKeys }),
      first({ loraName: 'sql', extraKeys: [undefined, [CAT], undefined] }),
    );
  });
});
