/**
 * Every expression of every dashboard, on a real Prometheus that scrapes a fleet in which everything happens that metrics count:
 * `npm run test:dashboards`.
 */
import { assert } from 'chai';
import { RULES_FILE } from '../../scripts/alert-rules.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { dashboards } from '../support/monitoring/grafana.ts';
import { programOrSkip } from '../support/monitoring/programs.ts';
import { Prometheus } from '../support/monitoring/prometheus.ts';
import { WatchedFleet } from '../support/monitoring/watched-fleet.ts';

/** As long as it may take until everything has happened and is scraped; ten seconds on a machine that has time. */
const TIMEOUT_MS = 90_000;

/** What Grafana would put in; a few scrapes are what it takes. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: '10s',
  $__range: '1m',
  $namespace: '.*',
  $job: 'warmroute',
  $instance: '.+',
  $model: '.*',
  $pod: '.*',
};

/** Sixty-five thousand blocks that wait: what the dashboard shows is 0. */
const NOT_IN_THIS_RUN = [METRICS.orphansDropped.name];

const SHOWN = dashboards();
const EXPRESSIONS = new Set(
  SHOWN.flatMap(({ panels, annotations }) => [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...annotations.list.map(({ expr }) => expr),
  ]),
);

describe('The dashboards, on a Prometheus that scrapes a fleet', function () {
  this.timeout(TIMEOUT_MS + 30_000);
  let prometheus: Prometheus;
  let fleet: WatchedFleet;
  const missing = new Map([...EXPRESSIONS].map(expression => [expression, filledIn(expression)]));

  before(async function () {
    const binary = programOrSkip('prometheus', this);
    fleet = await WatchedFleet.start();
    prometheus = await Prometheus.start(binary, fleet.targets, RULES_FILE);
    const deadline = Date.now() + TIMEOUT_MS;
    while (missing.size > 0 && Date.now() < deadline) {
      await fleet.round();
      for (const [expression, asked] of missing) {
        const series = await prometheus.query(asked);
        if (series.some(({ value }) => !Number.isNaN(value))) missing.delete(expression);
      }
    }
  });
  after(async () => {
    await prometheus?.stop();
    await fleet?.stop();
  });

  for (const { title, panels, annotations, templating } of SHOWN) {
    describe(title, () => {
      for (const { title, targets } of panels) {
        it(`${title} has data`, () => {
          for (const { expr } of targets) assert.isFalse(missing.has(expr), expr);
        });
      }

      it('has data for what it marks', () => {
        for (const { expr } of annotations.list) assert.isFalse(missing.has(expr), expr);
      });

      for (const { name, query } of templating.list.filter(({ name }) => name !== 'datasource')) {
        it(`has values for its variable ${name}`, async () => {
          const text = (query as { query: string }).query;
          const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(text) ?? assert.fail(text);
          assert.isNotEmpty(await prometheus.labelValues(label!, substituted(selector!)), text);
        });
      }
    });
  }

  it('finds no data for an expression of what there is not', async () => {
    assert.isEmpty(
      await prometheus.query(filledIn('sum(rate(warmroute_nothing_total[$__rate_interval])) or vector(0)')),
    );
  });
});

/** With the values of variables, and without the 0 that stands for what is not there: in this fleet it is. */
function filledIn(expression: string): string {
  const text = substituted(expression);
  const bare = text.replaceAll(/ or vector\(0\)/g, '');
  return NOT_IN_THIS_RUN.some(name => text.includes(name)) ? text : bare;
}

function substituted(text: string): string {
  return text.replaceAll(/\$\w+/g, name => VARIABLES[name] ?? assert.fail(`no value for ${name}`));
}
