import type { PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { describePrefixIndex } from '../support/describe-prefix-index.ts';
import { MapOfSets } from '../support/map-of-sets.ts';
import { describePrefixIndexModel } from '../support/prefix-index-model.ts';

const make = () => new RunIndex({ capacityBytes: 1 << 20, maxHolders: 64, seed: 1 });
const check = (index: PrefixIndex) => (index as RunIndex).check();

describePrefixIndex('a map of sets', () => new MapOfSets());
describePrefixIndex('runs', make);
describePrefixIndexModel('runs, few holders', make, {
  holders: 3,
  length: 12,
  histories: 60,
  commands: 150,
  check,
});
describePrefixIndexModel('runs, many holders', make, {
  holders: 40,
  length: 40,
  histories: 20,
  commands: 300,
  check,
});
