import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { stringify } from 'yaml';
import { alertRules, annotationsOf, RULES_FILE } from '../../scripts/alert-rules.ts';
import { ALERTS, type KnownAlert } from '../../scripts/alerts.ts';
import type { Declared } from '../../src/ops/instruments/instrument.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { ENVOY_FAMILIES } from '../support/monitoring/envoy-families.ts';
import { programOrSkip, run } from '../support/monitoring/programs.ts';
import { problemsOf } from '../support/monitoring/promql.ts';
import { ALERT_CASES, type AlertCase } from './alert-cases.ts';

const FAMILIES = [...Object.values<Declared>(METRICS), ...ENVOY_FAMILIES];

describe('the alerts', () => {
  it('are in deploy/prometheus/rules.yaml: run `npm run generate` after a change', async () => {
    assert.equal(await readFile(RULES_FILE, 'utf8'), alertRules());
  });

  for (const { name, expr, summary, description } of ALERTS) {
    it(`${name} is of metrics, labels and values that there are`, () => {
      assert.deepEqual(problemsOf(expr, FAMILIES), []);
      const { fires } = ALERT_CASES[name];
      for (const [, label] of `${summary} ${description}`.matchAll(/\$labels\.(\w+)/g))
        assert.property(fires.labels, label!);
    });
  }

  it('are not found to be of metrics, labels and values that there are not', () => {
    for (const [expression, problem] of [
      ['rate(warmroute_nothing_total[5m])', 'warmroute_nothing_total: no such metric'],
      ['warmroute_decision_seconds', 'warmroute_decision_seconds: no such metric'],
      ['warmroute_ready_pods{pod="p"}', 'warmroute_ready_pods: no label pod'],
      ['warmroute_pod_health{state=~"failing|ill"}', 'warmroute_pod_health: state is never ill'],
      ['sum by (rank) (warmroute_pod_health)', 'no metric in it has the label rank'],
      ['up == 0', 'it has no metric'],
    ] as const)
      assert.deepEqual(problemsOf(expression, FAMILIES), [problem]);
  });

  it('have a name once each, and a case that fires and is over', () => {
    assert.sameMembers(
      ALERTS.map(({ name }) => name),
      Object.keys(ALERT_CASES),
    );
    for (const [name, { pendingAt }] of Object.entries(ALERT_CASES)) {
      const lasts = ALERTS.find(alert => alert.name === name)?.for !== '0m';
      if (lasts) assert.isDefined(pendingAt, `${name} has to last before it fires`);
    }
  });

  describe('in Prometheus', function () {
    this.timeout(30_000);
    let promtool: string;
    let folder: string;
    before(async function () {
      promtool = programOrSkip('promtool', this);
      folder = await mkdtemp(join(tmpdir(), 'warmroute-alerts-'));
    });
    after(() => (folder === undefined ? undefined : rm(folder, { recursive: true })));

    it('are valid', async () => {
      const { code, output } = await run(
        promtool,
        'check',
        'rules',
        '--lint=all',
        '--lint-fatal',
        RULES_FILE,
      );
      assert.equal(code, 0, output);
      assert.include(output, `${ALERTS.length} rules found`);
    });

    for (const alert of ALERTS) {
      it(`${alert.name} fires, and is over`, async () => {
        const file = join(folder, `${alert.name}.yaml`);
        await writeFile(file, stringify(promtoolTest(alert, ALERT_CASES[alert.name])));
        const { code, output } = await run(promtool, 'test', 'rules', file);
        assert.equal(code, 0, output);
      });
    }

    it('are not found to fire by a test that expects it of none', async () => {
      const file = join(folder, 'wrong.yaml');
      const [alert] = ALERTS;
      const wrong = { ...ALERT_CASES[alert.name], clearAt: ALERT_CASES[alert.name].fires.at };
      await writeFile(file, stringify(promtoolTest(alert, wrong)));
      assert.notEqual((await run(promtool, 'test', 'rules', file)).code, 0);
    });
  });
});

/** As `promtool test rules` reads it. */
function promtoolTest(alert: KnownAlert, { series, never = {}, fires, pendingAt, clearAt }: AlertCase) {
  const at = (eval_time: string, exp_alerts: readonly object[]) => ({
    eval_time,
    alertname: alert.name,
    exp_alerts,
  });
  const annotations = Object.entries(annotationsOf(alert)).map(([name, text]) => [name, shown(text, fires)]);
  const fired = {
    exp_labels: { ...fires.labels, severity: alert.severity },
    exp_annotations: Object.fromEntries(annotations),
  };
  return {
    rule_files: [RULES_FILE],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries({ ...series, ...never }).map(([name, values]) => ({
          series: name,
          values,
        })),
        alert_rule_test: [
          ...(pendingAt === undefined ? [] : [at(pendingAt, [])]),
          at(fires.at, [fired]),
          at(clearAt, []),
        ],
      },
    ],
  };
}

/** An annotation's template, filled in. */
function shown(text: string, { labels, value = '' }: AlertCase['fires']): string {
  return text
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label) => labels[label] ?? '')
    .replaceAll(/\{\{ \$value(?: \| \w+)? \}\}/g, value);
}
