import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { METRICS_PAGE, metricsPage, OPERATIONS } from '../../scripts/metrics-page.ts';
import type { Declared } from '../../src/ops/instruments/instrument.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { problemsOf } from '../support/monitoring/promql.ts';

const declared = Object.values<Declared>(METRICS);

describe('docs/metrics.md', () => {
  it('is what the generator makes: run `npm run generate` after a change of the metrics', async () => {
    assert.equal(await readFile(METRICS_PAGE, 'utf8'), metricsPage());
  });

  it('has one row for each metric, with its labels, and each value of them where they are few', () => {
    const rows = metricsPage().split('\n');
    for (const { name, help, bad, labels } of declared) {
      const [row, ...more] = rows.filter(each => each.startsWith(`| \`${name}\` | `));
      assert.isEmpty(more, name);
      assert.include(row, `| ${help.replaceAll('|', '\\|')} | ${bad.replaceAll('|', '\\|')} |`);
      for (const [label, values] of Object.entries(labels)) {
        assert.include(row, `\`${label}\`: `);
        if (!('names' in values)) for (const value of values) assert.include(row, `\`${value}\``);
      }
    }
  });

  it('says of each metric in a sentence what it is and what a bad value means', () => {
    for (const { name, help, bad } of declared) {
      assert.match(help, /^[\w(].*[^.]$/, name);
      assert.match(bad, /\.$/, name);
    }
  });

  it('names metrics, labels and values for each operation that there are', () => {
    for (const { name, rate, errors, time } of OPERATIONS) {
      for (const [what, selectors] of Object.entries({ rate, errors })) {
        assert.isNotEmpty(selectors, `${what} of ${name}`);
        for (const selector of selectors) assert.deepEqual(problemsOf(selector, declared), [], name);
      }
      for (const selector of time) {
        const histogram = selector.replace(/^\w+/, '$&_bucket');
        assert.deepEqual(problemsOf(histogram, declared), [], name);
      }
    }
  });
});
