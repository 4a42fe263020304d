import { assert } from 'chai';
import { Scheduler, type SchedulerOptions } from '../../../src/simulation/engine/scheduler.ts';
import type { Sequence } from '../../../src/simulation/engine/sequence.ts';
import { aSequence, NAMING } from '../support.ts';

const OPTIONS: SchedulerOptions = { blocks: 256, naming: NAMING, maxBatchedTokens: 1_024, maxSequences: 8 };

function schedulerWith(options: Partial<SchedulerOptions>, ...sequences: readonly Sequence[]): Scheduler {
  const scheduler = new Scheduler({ ...OPTIONS, ...options });
  for (const sequence of sequences) scheduler.add(sequence);
  return scheduler;
}

/** Prompt tokens and decodes of each step until nothing is left. */
function stepsOf(scheduler: Scheduler): [number, number][] {
  const steps: [number, number][] = [];
  for (let plan = scheduler.schedule(); plan !== undefined; plan = scheduler.schedule()) {
    steps.push([plan.prefillTokens, plan.decodes]);
    scheduler.complete();
  }
  return steps;
}

describe('the scheduler', () => {
  it('computes a long prompt in chunks, and a token a step then', () => {
    const steps = stepsOf(schedulerWith({}, aSequence([1, 2, 3, 4, 5], 2_500, 4)));
    assert.deepEqual(steps, [
      [1_024, 0],
      [1_024, 0],
      [452, 0],
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  it('gives the budget to running sequences first, and to waiting ones then, first come, first served', () => {
    const [first, second] = [aSequence([1, 2, 3], 1_500, 3), aSequence([4, 5], 1_000, 1)];
    // 1,024 of the first; its last 476 and 548 of the second; a decode and the second's last 452; a decode.
    assert.deepEqual(stepsOf(schedulerWith({}, first, second)), [
      [1_024, 0],
      [1_024, 0],
      [452, 1],
      [0, 1],
    ]);
  });

  it('finds what is cached when a request is admitted, and computes at least its last token', () => {
    const scheduler = schedulerWith({}, aSequence([1, 2], 1_024));
    stepsOf(scheduler);
    const again = aSequence([1, 2], 1_024);
    scheduler.add(again);
    assert.deepEqual(stepsOf(scheduler), [[16, 0]]);
    assert.equal(again.cachedTokens, 1_008);
  });

  it('lets a sibling in the same step use what is about to be computed', () => {
    const [first, second] = [aSequence([1], 400), aSequence([1], 400)];
    assert.deepEqual(stepsOf(schedulerWith({}, first, second)), [[416, 0]]);
    assert.deepEqual([first.cachedTokens, second.cachedTokens], [0, 384]);
  });

  it('runs so many sequences at a time', () => {
    const sequences = [1, 2, 3].map(id => aSequence([id], 32, 2));
    const scheduler = schedulerWith({ maxSequences: 2 }, ...sequences);
    assert.deepEqual(stepsOf(scheduler), [
      [64, 0],
      [0, 2],
      [32, 0],
      [0, 1],
    ]);
  });

  it('tells of a prompt’s full blocks chunk by chunk, then of generated ones, each after its parent', () => {
    const scheduler = schedulerWith({ maxBatchedTokens: 40 }, aSequence([1], 60, 22));
    const told: [blocks: number, hasParent: boolean][] = [];
    while (scheduler.schedule() !== undefined) {
      for (const event of scheduler.complete().events) {
        if (event.kind === 'stored') told.push([event.hashes.length, event.parent !== undefined]);
      }
    }
    // 40 of 60 tokens are two blocks; all 60 are three; a fourth is full with the 4th generated token, a fifth with the 20th.
    assert.deepEqual(told, [
      [2, false],
      [1, true],
      [1, true],
      [1, true],
    ]);
  });

  it('evicts what was freed longest ago, a sequence’s tail first, and tells of it before what takes its place', () => {
    const scheduler = schedulerWith({ blocks: 8 }, aSequence([1], 64), aSequence([2], 64));
    stepsOf(scheduler);
    scheduler.add(aSequence([3], 48));
    scheduler.schedule();
    const { events } = scheduler.complete();
    assert.deepEqual(
      events.map(event => [event.kind, 'hashes' in event ? event.hashes.length : 0]),
      [
        ['removed', 3],
        ['stored', 3],
      ],
    );
    const first = aSequence([1], 64).content(NAMING).lanes;
    assert.lengthOf(scheduler.cache.prefix(first, 4), 1);
  });

  it('waits in line when too few blocks are free', () => {
    const [large, small] = [aSequence([1, 2], 1_000, 20), aSequence([3], 200, 1)];
    const scheduler = schedulerWith({ blocks: 70, maxBatchedTokens: 4_096 }, large, small);
    scheduler.schedule();
    assert.deepEqual([scheduler.running, scheduler.waiting, small.cachedTokens], [1, 1, undefined]);
    scheduler.complete();
    stepsOf(scheduler);
    assert.deepEqual([large.generated, small.generated], [20, 1]);
  });

  it('takes the blocks of who came last for who came first, and computes them again', () => {
    const [first, second] = [aSequence([1], 112, 40), aSequence([2], 112, 40)];
    // Sixteen blocks: both prompts fit, but not what both generate.
    const scheduler = schedulerWith({ blocks: 16 }, first, second);
    const steps = stepsOf(scheduler);
    assert.isAbove(scheduler.preemptions, 0);
    assert.deepEqual([first.generated, second.generated], [40, 40]);
    assert.equal(second.cachedTokens, 0, 'what it finds the second time does not count');
    assert.isAbove(
      steps.reduce((sum, [prefill]) => sum + prefill, 0),
      224,
    );
    assert.equal(scheduler.cache.free, 16);
  });

  it('computes who was preempted before all that wait', () => {
    const [first, second, third] = [aSequence([1], 112, 40), aSequence([2], 112, 40), aSequence([3], 16, 1)];
    const scheduler = schedulerWith({ blocks: 16 }, first, second);
    while (scheduler.preemptions === 0) {
      scheduler.complete();
      if (second.generated === 1) scheduler.add(third);
      scheduler.schedule();
      if (second.generated === 1) assert.isUndefined(third.cachedTokens, 'there is no room beside the two');
    }
    assert.deepEqual([scheduler.running, scheduler.waiting, third.cachedTokens], [1, 2, undefined]);
    scheduler.complete();
    const ended: Sequence[] = [];
    while (scheduler.schedule() !== undefined) ended.push(...scheduler.complete().ended);
    assert.deepEqual(ended, [first, third, second], 'the third is short, and comes after the second');
  });

  it('accepts what fits into the whole cache', () => {
    const scheduler = schedulerWith({ blocks: 8 });
    assert.isTrue(scheduler.accepts(aSequence([1], 120, 8)));
    assert.isFalse(scheduler.accepts(aSequence([1], 120, 9)));
  });

  it('says what share of the cache requests hold', () => {
    const scheduler = schedulerWith({ blocks: 10 }, aSequence([1], 65, 2));
    scheduler.schedule();
    assert.equal(scheduler.cacheUsage, 0.5);
    stepsOf(scheduler);
    assert.equal(scheduler.cacheUsage, 0);
  });

  it('keeps a long queue in order', () => {
    const sequences = Array.from({ length: 300 }, (_, i) => aSequence([i], 16));
    const scheduler = schedulerWith({ maxSequences: 7 }, ...sequences);
    const ended: Sequence[] = [];
    while (scheduler.schedule() !== undefined) ended.push(...scheduler.complete().ended);
    assert.deepEqual(ended, sequences);
  });
});
