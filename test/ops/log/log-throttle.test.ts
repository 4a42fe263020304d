import { assert } from 'chai';
import { createLogThrottle } from '../../../src/ops/log/log-throttle.ts';
import { recordingLog } from '../../support/builders.ts';

describe('throttled log lines', () => {
  function throttled() {
    const clock = { ms: 0 };
    const { log, lines } = recordingLog();
    const throttle = createLogThrottle(log, { everyMs: 1000, maxKinds: 3, now: () => clock.ms });
    return { clock, lines, ...throttle };
  }

  it('write the first of a kind at once', () => {
    const { warn, lines } = throttled();
    warn('deadline', { model: 'demo' }, 'late');
    assert.deepEqual(lines, [{ level: 'warn', fields: { model: 'demo' }, message: 'late' }]);
  });

  it('leave out what follows within the time, and say later how many that were', () => {
    const { clock, warn, lines } = throttled();
    for (const ms of [0, 1, 999, 1000, 1001, 2001]) {
      clock.ms = ms;
      const became = warn('deadline', { ms }, 'late');
      assert.equal(became, ms % 1_000 === 0 || ms === 2_001 ? 'written' : 'left_out');
    }
    assert.deepEqual(
      lines.map(line => line.fields),
      [{ ms: 0 }, { ms: 1000, leftOut: 2 }, { ms: 2001, leftOut: 1 }],
    );
  });

  it('count each kind on its own', () => {
    const { warn, lines } = throttled();
    warn('deadline', {}, 'late');
    warn('tokenizer_failed', {}, 'no tokens');
    assert.lengthOf(lines, 2);
  });

  it('keep the level that they are written at', () => {
    const { info, warn, error, lines } = throttled();
    info('rejected', {}, 'request rejected');
    warn('deadline', {}, 'late');
    error('index', {}, 'unexpected');
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['info', 'warn', 'error'],
    );
  });

  it('tell so many kinds apart; further ones are one kind', () => {
    const { clock, warn, lines } = throttled();
    for (const kind of ['a', 'b', 'c', 'd', 'e', 'f', 'a', 'd']) warn(kind, { kind }, 'odd');
    assert.deepEqual(
      lines.map(({ fields }) => fields.kind),
      ['a', 'b', 'c', 'd'],
    );
    clock.ms = 1000;
    warn('g', { kind: 'g' }, 'odd');
    assert.deepEqual(lines.at(-1)?.fields, { kind: 'g', leftOut: 3 });
  });

  it('have a clock of their own', () => {
    const { log, lines } = recordingLog();
    const { warn } = createLogThrottle(log, { everyMs: 60_000 });
    warn('deadline', {}, 'late');
    warn('deadline', {}, 'late');
    assert.lengthOf(lines, 1);
  });
});
