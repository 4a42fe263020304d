import { assert } from 'chai';
import type { FeedFact } from '../../../src/events/event-feed.ts';
import { StateHistory } from '../../../src/ops/console/state-history.ts';

const state = (pod: string, name: 'live' | 'cold', rank = 0): FeedFact => ({
  ...{ pod, rank, kind: 'state', state: name },
  why: name === 'cold' ? 'no_replay' : undefined,
});

describe('StateHistory', () => {
  let nowMs: number;
  let history: StateHistory;

  beforeEach(() => {
    nowMs = 1_000;
    history = new StateHistory(() => nowMs);
  });

  it('remembers when each stream changed, and why', () => {
    history.hear(state('a', 'live'));
    nowMs = 2_000;
    history.hear(state('b', 'cold', 3));
    assert.deepEqual(history.after(0), [
      { pod: 'a', rank: 0, at: 1_000, state: 'live', why: null },
      { pod: 'b', rank: 3, at: 2_000, state: 'cold', why: 'no_replay' },
    ]);
  });

  it('tells what came after a change', () => {
    history.hear(state('a', 'live'));
    const before = history.last;
    assert.deepEqual(history.after(before), []);
    history.hear(state('a', 'cold'));
    assert.deepEqual(
      history.after(before).map(change => change.state),
      ['cold'],
    );
  });

  it('remembers the last sixteen of a stream that does not rest, and nothing less of the others', () => {
    history.hear(state('calm', 'live'));
    for (let i = 0; i < 100; i++) history.hear(state('restless', i % 2 === 0 ? 'live' : 'cold'));
    const all = history.after(0);
    assert.equal(all.length, 17);
    assert.equal(all[0]?.pod, 'calm');
  });

  it('forgets pods that leave', () => {
    history.hear(state('a', 'live'));
    history.hear(state('b', 'live'));
    history.left('a');
    history.left('unknown');
    assert.deepEqual(
      history.after(0).map(({ pod }) => pod),
      ['b'],
    );
  });

  it('has no room for more than 1,024 streams, until some leave', () => {
    for (let rank = 0; rank < 1_024; rank++) history.hear(state('large', 'live', rank));
    history.hear(state('late', 'live'));
    assert.equal(history.after(0).length, 1_024);
    history.left('large');
    history.hear(state('late', 'live'));
    assert.equal(history.after(0).length, 1);
  });

  it('does not care about other facts', () => {
    history.hear({ pod: 'a', rank: 0, kind: 'gap', missed: 3 });
    assert.equal(history.last, 0);
  });
});
