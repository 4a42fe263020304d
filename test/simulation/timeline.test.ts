import { assert } from 'chai';
import fc from 'fast-check';
import { Timeline } from '../../src/simulation/timeline.ts';

describe('the timeline', () => {
  it('runs tasks by time, and those of one time in the order in which they were scheduled', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 200, size: 'max' }), times => {
        const timeline = new Timeline();
        const run: [number, number][] = [];
        times.forEach((atMs, i) => {
          timeline.at(atMs, () => run.push([timeline.now, i]));
        });
        timeline.advanceTo(20);
        const expected = times
          .map((atMs, i): [number, number] => [atMs, i])
          .sort(([a, i], [b, j]) => a - b || i - j);
        assert.deepEqual(run, expected);
      }),
    );
  });

  it('runs what tasks schedule, as far as it is due', () => {
    const timeline = new Timeline();
    const run: number[] = [];
    const again = () => {
      run.push(timeline.now);
      timeline.at(timeline.now + 10, again);
    };
    timeline.at(5, again);
    timeline.advanceTo(30);
    assert.deepEqual(run, [5, 15, 25]);
    assert.equal(timeline.now, 30);
    timeline.runNext();
    assert.equal(timeline.now, 35);
  });

  it('refuses what has passed', () => {
    const timeline = new Timeline();
    timeline.advanceTo(10);
    assert.throws(() => timeline.at(9, () => {}), /passed/);
    timeline.runNext();
    assert.isTrue(timeline.isEmpty);
  });
});
