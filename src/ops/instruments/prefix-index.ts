/** What is believed about the engines' caches. */
import { allOf, gauge, total } from './instrument.ts';

export const INDEX_METRICS = {
  indexBlocks: gauge('warmroute_index_blocks', {
    unit: 'blocks',
    help: 'Distinct blocks in the index',
    bad: '0 with events and traffic: nothing is heard.',
  }),
  indexEntries: gauge('warmroute_index_entries', {
    unit: 'blocks',
    labels: { source: allOf<'events' | 'history'>()('events', 'history') },
    help: '(Block, holder) pairs in the index, by source',
    bad: 'A sudden fall of `events`: holders were forgotten.',
  }),
  indexRuns: gauge('warmroute_index_runs', {
    unit: 'runs',
    help: 'Runs that the index is made of',
    bad: 'As many as blocks: prompts share nothing, or are very short.',
  }),
  indexBytes: gauge('warmroute_index_bytes', {
    unit: 'bytes',
    help: 'Memory that the index uses',
    bad: 'Near `warmroute_index_capacity_bytes`: what was stored longest ago is about to be evicted.',
  }),
  indexCapacity: gauge('warmroute_index_capacity_bytes', {
    unit: 'bytes',
    help: 'Memory that the index may use (WARMROUTE_INDEX_CAPACITY_BYTES)',
    bad: 'None; it is there to compare with.',
  }),
  indexEvicted: total('warmroute_index_evicted_total', {
    unit: 'blocks',
    help: '(Block, holder) pairs evicted as the index had no room',
    bad: 'Any: engines still hold what the router has forgotten.',
  }),
};
