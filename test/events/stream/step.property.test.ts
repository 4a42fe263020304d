/** Against a publisher that loses, repeats, delays and reorders, starts anew and evicts what it could replay. */
import { assert } from 'chai';
import fc from 'fast-check';
import { type Change, type Command, SimulatedStream } from '../../support/simulated-stream.ts';

const RULES = { maxPendingMessages: 8, maxPendingBytes: 1_000, maxAttempts: 3 };

const at = fc.nat({ max: 20 });
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('store' as const), block: fc.nat({ max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), block: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);
const kind = <K extends Command['kind']>(...kinds: K[]) => ({ kind: fc.constantFrom(...kinds) });

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
    { weight: 1, arbitrary: fc.record(kind('overflow', 'retry', 'tell_late', 'expired')) },
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
