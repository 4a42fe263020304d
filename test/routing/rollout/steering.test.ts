import { assert } from 'chai';
import { createRollout, placeOf } from '../../../src/routing/rollout/steering.ts';
import { NO_SESSION } from '../../support/builders.ts';

const IDS = Array.from({ length: 4_000 }, (_, i) => `request-${i}`);

describe('A rollout', () => {
  const steered = (percent: number) =>
    IDS.filter(id => createRollout({ mode: 'route', percent })(NO_SESSION, id) === 'steered');

  it('leaves nothing at all to be changed in shadow mode, whatever the share', () => {
    for (const percent of [0, 50, 100])
      assert.equal(createRollout({ mode: 'shadow', percent })(NO_SESSION, 'r'), 'observed');
  });

  it('steers everybody at 100 %, nobody at 0 %, and about the share in between', () => {
    assert.lengthOf(steered(100), IDS.length);
    assert.isEmpty(steered(0));
    for (const percent of [0.5, 5, 50, 95]) {
      // Four standard deviations of a share that is drawn.
      const error = 4 * Math.sqrt(IDS.length * (percent / 100) * (1 - percent / 100));
      assert.approximately(steered(percent).length, (IDS.length * percent) / 100, error);
    }
  });

  it('goes on steering at a higher share whom it steered at a lower one', () => {
    const all = new Set(steered(50));
    for (const id of steered(5)) assert.include(all, id);
  });

  it('goes by the session’s own name, then by where it was, then by the request', () => {
    const steeringOf = createRollout({ mode: 'route', percent: 50 });
    const [inside, outside] = [steered(50)[0]!, IDS.find(id => !steered(50).includes(id))!];
    for (const [session, id, expected] of [
      [{ key: inside, id: outside }, outside, 'steered'],
      [{ key: outside, id: inside }, inside, 'left'],
      [{ key: undefined, id: inside }, outside, 'steered'],
      [{ key: '', id: outside }, inside, 'left'],
      [{ key: undefined, id: '' }, inside, 'steered'],
    ] as const)
      assert.equal(steeringOf(session, id), expected, JSON.stringify([session, id]));
  });

  it('finds the same place in every replica and every version', () => {
    assert.deepEqual(
      ['agent-7', 'agent-8', ''].map(name => placeOf(name).toFixed(6)),
      ['0.086930', '0.653386', '0.997765'],
    );
  });
});
