/** What must not compile: `tsc` reports an expected error that is none. */
import { assert } from 'chai';
import {
  type BlockHash,
  type BlockLanes,
  type EngineHash,
  type EngineLanes,
  engineHash,
} from '../src/domain.ts';
import { blockLanes, engineLanes } from './support/blocks.ts';

describe('hashes of different kinds', () => {
  it('are not taken for one another', () => {
    const [ours, theirs] = [blockLanes(1, 2), engineLanes(1, 2)];
    // @ts-expect-error an engine's hashes are opaque
    const asOurs: BlockLanes = theirs;
    // @ts-expect-error nor are ours an engine's
    const asTheirs: EngineLanes = ours;
    // @ts-expect-error not one by one, either
    const one: BlockHash = engineHash(1, 2);
    // @ts-expect-error and what nobody has named is neither
    const other: EngineHash = { hi: 1, lo: 2 };
    assert.lengthOf([asOurs, asTheirs, one, other], 4);
  });
});
