/** What the page says of the last minutes, from the samples that the router sends. */
import { assert } from 'chai';
import type { SampleHistory } from '../../../src/ops/console/messages.ts';

/** Of JavaScript that is checked on its own (`console/tsconfig.json`). */
interface PageHistory {
  mean(quantity: string, overSeconds: number): number | null;
  weightedMean(quantity: string, weight: string, overSeconds: number): number | null;
}

async function historyOf(
  series: Partial<SampleHistory['series']>,
  at: readonly number[],
): Promise<PageHistory> {
  const { History } = await import(new URL('../../../console/history.js', import.meta.url).href);
  return new History({ at, series, load: [], everySeconds: 5 });
}

describe('the history of the console’s page', () => {
  it('weighs a rate by how much each sample is of, as the totals would have it', async () => {
    const history = await historyOf(
      { hitRate: [0, 1, null, 0.5], promptBlocks: [10, 970, 0, 20] },
      [5, 10, 15, 20],
    );
    assert.closeTo(history.weightedMean('hitRate', 'promptBlocks', 300)!, 0.98, 1e-9);
    assert.equal(history.mean('hitRate', 300), 0.5);
  });

  it('leaves out what is older than it is asked for, and has nothing to say of nothing', async () => {
    const history = await historyOf({ hitRate: [0, 1, null], promptBlocks: [10, 10, 0] }, [5, 10, 15]);
    assert.equal(history.weightedMean('hitRate', 'promptBlocks', 10), 1);
    assert.equal(history.weightedMean('hitRate', 'promptBlocks', 5), null);
  });
});
