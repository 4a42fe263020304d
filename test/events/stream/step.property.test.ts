/** Against a publisher that loses, repeats, delays and reorders, starts anew and evicts what it could replay. */
import { assert } from 'chai';
import fc from 'fast-check';
import {
  type BatchApplied,
  INITIAL,
  type PublisherInput,
  type PublisherState,
  step,
} from '../../../src/events/stream/stream.ts';
import { type Change, type Command, SimulatedStream } from '../../support/simulated-stream.ts';

const RULES = { maxPendingMessages: 8, maxPendingBytes: 1_000, maxAttempts: 3, maxRequests: 8 };

const at = fc.nat({ max: 20 });
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('store' as const), block: fc.nat({ max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), block: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);
const kind = <K extends string>(...kinds: K[]) => ({ kind: fc.constantFrom(...kinds) });

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        ...kind('publish'),
        change,
        readable: fc.integer({ min: 0, max: 30 }).map(n => n > 0),
      }),
    },
    { weight: 12, arbitrary: fc.record({ ...kind('deliver'), count: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 4, arbitrary: fc.record({ ...kind('lose'), at }) },
    { weight: 2, arbitrary: fc.record({ ...kind('duplicate', 'swap', 'lose_replayed'), at }) },
    {
      weight: 2,
      arbitrary: fc.record({
        ...kind('restart'),
        arriving: fc.nat({ max: 4 }),
        toldEarly: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        ...kind('cut'),
        arriving: fc.nat({ max: 4 }),
        missing: fc.array(change, { maxLength: 3 }),
      }),
    },
    { weight: 6, arbitrary: fc.record(kind('answer')) },
    {
      weight: 8,
      arbitrary: fc.record({ ...kind('deliver_replayed'), count: fc.integer({ min: 1, max: 6 }) }),
    },
    { weight: 4, arbitrary: fc.record({ ...kind('drain'), count: fc.integer({ min: 1, max: 4 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        ...kind('fail_replay'),
        may: fc.constantFrom('continue' as const, 'not_continue' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ ...kind('evict'), keep: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record(kind('overflow', 'retry', 'calm', 'tell_late', 'expired')) },
  ),
  { maxLength: 120, size: 'max' },
);

describe('the state of a publisher, whatever happens to its stream', () => {
  for (const replay of ['available', 'none'] as const) {
    it(`is never live and wrong, with replay ${replay}`, function () {
      this.timeout(60_000);
      let live = 0;
      fc.assert(
        fc.property(commands, list => {
          const stream = new SimulatedStream({ ...RULES, replay });
          for (const command of list) stream.run(command);
          stream.settle();
          if (stream.mustBeLive) assert.equal(stream.state.kind, 'live');
          if (stream.state.kind === 'live') live++;
        }),
        { numRuns: 2_000 },
      );
      assert.isAbove(live, 200, 'and it is live often enough for this to mean something');
    });
  }
});

/** Inputs that no stream would bring, in any order: the answer to a batch alone comes when there is one. */
const message = fc
  .record({ sequence: fc.nat({ max: 12 }), process: fc.constantFrom('A', 'B') })
  .map(({ sequence, process }) => ({ sequence, payload: `${process}${sequence}`, bytes: 10 }));
const denied = fc.integer({ min: 0, max: 9 }).map(n => n === 0);
const inputs = fc.array(
  fc.record({
    input: fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('live' as const), message, denied }) },
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('replayed' as const), message, denied }) },
      { weight: 2, arbitrary: fc.record(kind('next')) },
      { weight: 2, arbitrary: fc.record(kind('connected', 'disconnected', 'replay_ended')) },
      {
        weight: 1,
        arbitrary: fc.record({
          ...kind('replay_failed'),
          may: fc.constantFrom('continue' as const, 'not_continue' as const),
        }),
      },
      { weight: 1, arbitrary: fc.record(kind('overflow', 'retry', 'calm', 'expired')) },
    ),
    outcome: fc.constantFrom<BatchApplied[]>('ok', 'ok', 'ok', 'ok', 'cleared', 'damaged', 'failed'),
  }),
  { maxLength: 200, size: 'max' },
);

describe('the state of a publisher, whatever it is told', () => {
  it('applies one batch a step at most, never across a gap, and asks a bounded number of times', () => {
    const rules = { ...RULES, replay: 'available' as const, same: Object.is, isEmpty: () => false };
    let applied = 0;
    fc.assert(
      fc.property(inputs, list => {
        let state: PublisherState<string> = INITIAL;
        /** What has to come next, if anything is believed. */
        let next: number | undefined;
        let requests = 0;
        const take = (input: PublisherInput<string>): boolean => {
          const { state: after, effects } = step(state, input, rules);
          // Of numbers this small a run is never steady.
          if (input.kind === 'calm') requests = 0;
          for (const [i, effect] of effects.entries()) {
            if (effect.kind === 'apply') {
              assert.equal(i, effects.length - 1, 'last');
              assert.equal(effect.message.sequence, next ?? effect.message.sequence, 'no gap');
              next = effect.message.sequence + 1;
            } else if (effect.kind === 'forget') next = undefined;
            else if (effect.kind === 'request_replay' && effect.why !== 'retry') requests++;
          }
          state = after;
          assert.isAtMost(requests, rules.maxRequests);
          return effects.at(-1)?.kind === 'apply';
        };
        for (const { input, outcome } of list) {
          if (!take(input)) continue;
          applied++;
          assert.isFalse(take({ kind: 'applied', outcome }));
        }
      }),
      { numRuns: 2_000 },
    );
    assert.isAbove(applied, 10_000);
  }).timeout(60_000);
});
