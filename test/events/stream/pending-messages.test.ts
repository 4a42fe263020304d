import { assert } from 'chai';
import fc from 'fast-check';
import {
  firstOf,
  lastRunOf,
  type Message,
  messagesOf,
  NOTHING_PENDING,
  type PendingMessages,
  withMessage,
  withoutFirst,
} from '../../../src/events/stream/pending-messages.ts';

describe('messages that wait', () => {
  it('come out in the order that they went in, and are counted', () => {
    const steps = fc.array(fc.oneof(fc.record({ skip: fc.nat({ max: 2 }) }), fc.constant('take' as const)));
    fc.assert(
      fc.property(steps, list => {
        let pending: PendingMessages<string> = NOTHING_PENDING;
        const model: Message<string>[] = [];
        let sequence = 0;
        for (const step of list) {
          if (step === 'take') {
            pending = withoutFirst(pending);
            model.shift();
          } else {
            sequence += 1 + step.skip;
            const message = { sequence, payload: `A${sequence}`, bytes: sequence };
            pending = withMessage(pending, message);
            model.push(message);
          }
          assert.deepEqual(messagesOf(pending), model);
          assert.strictEqual(firstOf(pending), model[0]);
          assert.strictEqual(pending.newest, model.at(-1));
          assert.equal(pending.count, model.length);
          assert.equal(
            pending.bytes,
            model.reduce((sum, { bytes }) => sum + bytes, 0),
          );
          const start = model.findLastIndex(({ sequence }, i) => model[i - 1]?.sequence !== sequence - 1);
          assert.deepEqual(lastRunOf(pending), model.slice(Math.max(0, start)));
        }
      }),
    );
  });
});
