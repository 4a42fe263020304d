/** How the page writes numbers. JavaScript that is checked on its own (`console/tsconfig.json`). */
import { assert } from 'chai';

describe('the figures of the console’s page', () => {
  it('count as well what is left out only where what is shown reaches those that are well', async () => {
    const { wellOfAll } = await import(new URL('../../../console/format.js', import.meta.url).href);
    assert.equal(wellOfAll(3, 3, 0), '3 / 3');
    assert.equal(wellOfAll(10, 250, 40), '50 / 290');
    assert.equal(wellOfAll(0, 250, 40), '0 / 250', 'those may fail as well');
  });
});
