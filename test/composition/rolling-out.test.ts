import { assert } from 'chai';
import { rolloutWarnings } from '../../src/composition/rolling-out.ts';
import { aConfig } from '../support/builders.ts';

describe('The settings of a rollout', () => {
  const warningsOf = (environment: Readonly<Record<string, string>>) => rolloutWarnings(aConfig(environment));

  it('are nothing to be warned of by themselves', () => {
    assert.isEmpty(warningsOf({}));
    assert.isEmpty(warningsOf({ WARMROUTE_MODE: 'shadow' }));
    assert.isEmpty(warningsOf({ WARMROUTE_ROLLOUT_PERCENT: '5' }));
    assert.isEmpty(warningsOf({ WARMROUTE_DISCOVERY: 'inference-pool' }));
  });

  it('are, where a gateway has no other pod for a request', () => {
    for (const setting of [{ WARMROUTE_MODE: 'shadow' }, { WARMROUTE_ROLLOUT_PERCENT: '5' }]) {
      const [warning, ...others] = warningsOf({ ...setting, WARMROUTE_DISCOVERY: 'file,inference-pool' });
      assert.isEmpty(others);
      assert.include(warning, 'no pod is named');
    }
  });

  it('are, where one leaves the other without effect', () => {
    const [warning] = warningsOf({ WARMROUTE_MODE: 'shadow', WARMROUTE_ROLLOUT_PERCENT: '5' });
    assert.include(warning, 'WARMROUTE_ROLLOUT_PERCENT has no effect');
  });
});
