/** docs/worth.md, docs/rollout.md and docs/tracing.md say what is so. */
import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { parse } from 'yaml';
import { type Bootstrap, connectionManagerOf } from '../../demo/envoy.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { WORTH_METRICS } from '../../src/ops/instruments/worth.ts';
import { problemsOf } from '../support/monitoring/promql.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const blocksOf = (page: string, language: string) =>
  Array.from(page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm')), ([, block]) => block!);

for (const path of ['docs/worth.md', 'docs/rollout.md']) {
  describe(path, () => {
    for (const expression of blocksOf(read(path), 'promql'))
      it(`asks for metrics and labels that there are: ${expression.split('\n', 1)[0]}`, () =>
        assert.deepEqual(problemsOf(expression, Object.values(METRICS)), []));
  });
}

describe('docs/worth.md', () => {
  const page = read('docs/worth.md');

  it('has a meaning for each outcome of a sampled answer', () => {
    const [, table] = page.split('| outcome | meaning |');
    const outcomes = Array.from(table!.matchAll(/^\| `(\w+)` \| /gm), ([, outcome]) => outcome);
    assert.sameMembers(outcomes, [...WORTH_METRICS.sampledAnswers.labels.outcome]);
  });
});

describe('docs/tracing.md', () => {
  it('shows the tracing of our Envoy configurations, which the tests run', () => {
    const [shown] = blocksOf(read('docs/tracing.md'), 'yaml').map(block => parse(block).tracing);
    for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml']) {
      const { tracing } = connectionManagerOf(parse(read(`envoy/${file}`)) as Bootstrap);
      const { custom_tags, ...ours } = tracing as { custom_tags: unknown };
      assert.deepEqual(shown, ours, file);
    }
  });
});
