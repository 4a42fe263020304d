import { assert } from 'chai';
import { CacheGroups, type GroupRole } from '../../../src/events/ingest/cache-groups.ts';
import { group } from '../../support/kv-events.ts';

const BLOCK = 16;
const ALL = Number.POSITIVE_INFINITY;
const MAIN: GroupRole = { kind: 'main', blockSizeTokens: BLOCK };
const secondary = (number: number, blocks: number, blockSizeTokens = BLOCK): GroupRole => ({
  ...{ kind: 'secondary', group: number, blockSizeTokens, blocks },
});

const FULL = (index?: number) => group(index, 'full_attention');
const WINDOW = (index?: number, tokens?: number) => group(index, 'sliding_window', tokens);

describe('the KV-cache groups of a holder', () => {
  let groups: CacheGroups;
  beforeEach(() => {
    groups = new CacheGroups();
  });

  const storing = (of = group(), isComplete = true) => groups.storing(of, BLOCK, isComplete);
  const removing = (index?: number) => groups.removing(group(index));

  it('are one, the main one, of an engine that neither numbers nor names them', () => {
    assert.deepEqual(storing(), MAIN);
    assert.deepEqual([removing(), removing(0)], [MAIN, MAIN]);
    assert.equal(removing(1), 'unknown');
  });

  it('are not more than an engine can have, whatever it numbers', () => {
    storing(FULL(0));
    const roles = Array.from({ length: 1_000 }, (_, i) => storing(WINDOW(i + 1, 33)));
    assert.lengthOf(
      roles.filter(role => role !== 'refused'),
      64,
    );
    assert.deepEqual(storing(WINDOW(1, 33)), secondary(1, 2), 'those that are known go on');
    assert.deepEqual(storing(FULL(0)), MAIN);
  });

  it('are not known at first', () => {
    for (const index of [undefined, 0, 1]) assert.equal(removing(index), 'unknown');
  });

  for (const kind of ['full_attention', 'mla_attention', 'sink_full_attention']) {
    it(`have the one with ${kind} as the main one, wherever it stands`, () => {
      assert.deepEqual(storing(WINDOW(0, 33)), secondary(0, 2));
      assert.deepEqual(storing(group(3, kind)), MAIN);
      assert.deepEqual(storing(FULL(1)), secondary(1, ALL), 'and one alone');
      assert.deepEqual([removing(3), removing(0), removing(1)], [MAIN, secondary(0, 2), secondary(1, ALL)]);
    });
  }

  it('need no kind and no number to be the main one again', () => {
    storing(FULL(1));
    assert.deepEqual([storing(group(1)), storing(group(1), false), storing(group())], [MAIN, MAIN, MAIN]);
    assert.deepEqual(removing(), MAIN);
  });

  it('are what the first complete one makes them, while no kinds are said', () => {
    assert.deepEqual(storing(group(0), false), secondary(0, ALL));
    assert.deepEqual(storing(group(1)), MAIN);
    assert.deepEqual(storing(group(0)), secondary(0, ALL), 'which stays so');
    assert.deepEqual([removing(0), removing(1)], [secondary(0, ALL), MAIN]);
  });

  it('are not known without a number, before the main one is', () => {
    assert.equal(storing(group(), false), 'unknown');
    assert.equal(storing(WINDOW(undefined, 32)), 'unknown');
    assert.equal(removing(), 'unknown');
    assert.deepEqual(storing(FULL()), MAIN);
    assert.deepEqual(storing(WINDOW(undefined, 32)), MAIN, 'who leaves it out means the main one');
  });

  it('may be numbered from now on by an engine that left it out before', () => {
    storing(group());
    assert.deepEqual(storing(group(0)), MAIN);
    assert.deepEqual(storing(group(1)), secondary(1, ALL));
    assert.deepEqual([removing(0), removing(1)], [MAIN, secondary(1, ALL)]);
  });

  it('have group 0 as one of many where another one is the main one', () => {
    storing(FULL(1));
    assert.equal(removing(0), 'unknown');
    assert.deepEqual(storing(WINDOW(0, 17)), secondary(0, 1));
  });

  it('have no main one while none has full attention', () => {
    assert.deepEqual(storing(group(0, 'mamba')), secondary(0, 1));
    assert.deepEqual(storing(WINDOW(1, 33)), secondary(1, 2));
    assert.deepEqual([removing(0), removing(1), removing()], [secondary(0, 1), secondary(1, 2), 'unknown']);
  });

  for (const [kind, windowTokens, blockSizeTokens, blocks] of [
    ['sliding_window', 128, 16, 8],
    ['sliding_window', 129, 16, 8],
    ['sliding_window', 130, 16, 9],
    ['sliding_window_mla', 33, 16, 2],
    ['sliding_window', 17, 16, 1],
    ['sliding_window', 2, 16, 1],
    ['sliding_window', 1, 16, 0],
    ['sliding_window', 0, 16, 0],
    ['sliding_window', 128, 528, 1],
    ['sliding_window', undefined, 16, ALL],
    ['sliding_window', 128, 0, ALL],
    ['mamba', undefined, 528, 1],
    ['mamba', 128, 16, 1],
    ['chunked_local_attention', 128, 16, ALL],
    ['cross_attention', undefined, 16, ALL],
    ['invented_later', 128, 16, ALL],
    [undefined, 128, 16, ALL],
  ] as const) {
    const window = windowTokens === undefined ? '' : ` of ${windowTokens} tokens`;
    it(`are needed for ${blocks} blocks: ${kind}${window} in blocks of ${blockSizeTokens}`, () => {
      storing(FULL(0));
      const of = group(1, kind, windowTokens);
      assert.deepEqual(groups.storing(of, blockSizeTokens, false), secondary(1, blocks, blockSizeTokens));
      assert.deepEqual(removing(1), secondary(1, blocks, blockSizeTokens));
    });
  }

  it('have blocks of their own size; smaller ones than before are parts of them', () => {
    assert.deepEqual(groups.storing(FULL(0), 64, true), { kind: 'main', blockSizeTokens: 64 });
    assert.deepEqual(groups.storing(FULL(0), 16, true), { kind: 'main', blockSizeTokens: 64 }, 'one group');
    assert.deepEqual(groups.storing(WINDOW(1, 128), 16, true), secondary(1, 8, 16));
    assert.equal(groups.storing(FULL(0), 16, true), 'partial');
    assert.deepEqual(groups.storing(FULL(0), 64, true), { kind: 'main', blockSizeTokens: 64 });
    assert.equal(groups.storing(WINDOW(1, 128), 4, true), 'partial');
    assert.deepEqual(groups.storing(WINDOW(1, 128), 32, true), secondary(1, 4, 32), 'as the first was one');
    assert.deepEqual(removing(1), secondary(1, 4, 32));
  });

  it('have no blocks of more tokens than an engine can have', () => {
    assert.equal(groups.storing(WINDOW(1, 128), 65_537, true), 'refused');
    assert.equal(removing(1), 'unknown');
  });

  it('are not known any more once forgotten: another process may number them otherwise', () => {
    groups.storing(FULL(0), 64, true);
    storing(WINDOW(1, 33));
    groups.forget();
    assert.deepEqual([removing(0), removing(1)], ['unknown', 'unknown']);
    assert.deepEqual(storing(WINDOW(0, 33)), secondary(0, 2));
    assert.deepEqual(storing(FULL(1)), MAIN);
  });

  it('are needed for as many blocks as was said last', () => {
    storing(FULL(0));
    storing(WINDOW(1, 128));
    assert.deepEqual(storing(WINDOW(1, 17)), secondary(1, 1));
    assert.deepEqual(removing(1), secondary(1, 1));
  });
});

describe('the group that carries prefixes', () => {
  let groups: CacheGroups;
  beforeEach(() => {
    groups = new CacheGroups();
  });

  it('is the main one, where it is known, and every other is secondary', () => {
    groups.storing(FULL(1), BLOCK, true);
    for (const index of [1, undefined]) {
      assert.isTrue(groups.carriesPrefixes(group(index)));
      assert.isTrue(groups.carriesPrefixes(WINDOW(index)), 'whatever it calls itself');
      assert.isFalse(groups.isSecondary(group(index)));
    }
    for (const index of [0, 2]) {
      assert.isFalse(groups.carriesPrefixes(FULL(index)));
      assert.isTrue(groups.isSecondary(group(index)));
    }
  });

  it('is group 0 as well of an engine that does not number them', () => {
    groups.storing(group(), BLOCK, true);
    assert.deepEqual(
      [0, 1, undefined].map(index => groups.carriesPrefixes(group(index))),
      [true, false, true],
    );
    assert.deepEqual(
      [0, 1, undefined].map(index => groups.isSecondary(group(index))),
      [false, true, false],
    );
  });

  it('is one with full attention, or without number and kind, while the main one is not known', () => {
    for (const [of, carries] of [
      [group(), true],
      [FULL(), true],
      [FULL(3), true],
      [group(3, 'mla_attention'), true],
      [group(0), false],
      [WINDOW(), false],
      [WINDOW(0), false],
      [group(undefined, 'mamba'), false],
      [group(0, 'invented_later'), false],
    ] as const) {
      assert.equal(groups.carriesPrefixes(of), carries, JSON.stringify(of));
      assert.isFalse(groups.isSecondary(of), 'which is not known to be another');
    }
  });

  it('is not settled by a question', () => {
    groups.carriesPrefixes(FULL(3));
    groups.removing(group(3));
    groups.isSecondary(group(3));
    assert.deepEqual(groups.storing(FULL(1), BLOCK, true), MAIN);
  });
});
