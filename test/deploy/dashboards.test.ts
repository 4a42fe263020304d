/** What deploy/grafana has is what it is made of, and made well; test/deploy/dashboards.prometheus.ts asks a Prometheus. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { PROJECT } from '../../scripts/chart/files.ts';
import { dashboardFiles } from '../../scripts/dashboards/dashboards.ts';
import type { Declared } from '../../src/ops/instruments/instrument.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { ENVOY_FAMILIES } from '../support/monitoring/envoy-families.ts';
import { dashboards, ofAlerts, type ShownPanel } from '../support/monitoring/grafana.ts';
import { problemsOf } from '../support/monitoring/promql.ts';

const FAMILIES = [...Object.values<Declared>(METRICS), ...ENVOY_FAMILIES];

/** There to be compared with, or to be joined, or of what is left to Envoy on purpose. */
const ON_NO_DASHBOARD = new Set<string>([METRICS.answers.name, METRICS.passed.name]);

describe('the dashboards', () => {
  it('are in deploy/grafana: run `npm run generate` after a change', async () => {
    const files = dashboardFiles();
    for (const [path, text] of Object.entries(files)) assert.equal(await readFile(path, 'utf8'), text, path);
    const there = globSync('deploy/grafana/*.json', { cwd: PROJECT }).map(path => PROJECT + path);
    assert.sameMembers(there, Object.keys(files));
  });

  it('show every metric', () => {
    const shown = dashboards()
      .flatMap(({ panels }) => panels)
      .flatMap(({ targets }) => targets.map(({ expr }) => expr))
      .join('\n');
    const missing = Object.values<Declared>(METRICS).filter(({ name }) => !shown.includes(name));
    assert.sameMembers(
      missing.map(({ name }) => name),
      [...ON_NO_DASHBOARD],
    );
  });

  it('have names of their own', () => {
    const uids = dashboards().map(({ uid }) => uid);
    assert.lengthOf(new Set(uids), uids.length);
  });

  for (const { title, uid, panels, all, templating, links } of dashboards()) {
    describe(title, () => {
      it('has a place for each panel', () => {
        assert.lengthOf(new Set(all.map(({ id }) => id)), all.length);
        assert.deepEqual(overlapping(all), []);
        for (const { title, gridPos } of all) assert.isAtMost(gridPos.x + gridPos.w, 24, title);
      });

      it('leads to the others, and to the runbook', () => {
        assert.sameDeepMembers(
          links.map(({ type, tags }) => ({ type, tags })),
          [
            { type: 'dashboards', tags: ['warmroute'] },
            { type: 'link', tags: [] },
          ],
        );
      });

      it('is narrowed by the variables that it has', () => {
        const names = templating.list.map(({ name }) => name);
        const used = new Set(JSON.stringify(panels).match(/\$(?!_)\w+/g));
        assert.includeMembers(
          names.map(name => `$${name}`),
          [...used],
          uid,
        );
      });

      for (const { title, description, targets } of panels) {
        it(`${title}: says what it is and what a bad value means, of what there is`, () => {
          assert.match(description, /\S.*\n\n\*\*A bad value:\*\* \S/);
          assert.isNotEmpty(targets);
          for (const { expr, legendFormat } of targets) {
            if (!ofAlerts(expr)) assert.deepEqual(problemsOf(expr, FAMILIES), []);
            for (const [, label] of (legendFormat ?? '').matchAll(/\{\{(\w+)\}\}/g))
              assert.match(expr, new RegExp(`by \\([^)]*\\b${label}\\b`), 'what the legend names');
          }
        });

        it(`${title}: has a legend that a thousand pods do not fill`, () => {
          for (const { expr, legendFormat } of targets)
            if (legendFormat?.includes('{{pod}}')) assert.match(expr, /^topk\(\d+, |> 0$/);
        });
      }
    });
  }

  it('come as rows that two panels cannot share', () => {
    const panel = (x: number, y: number): ShownPanel => ({
      ...dashboards()[0]!.panels[0]!,
      gridPos: { x, y, w: 8, h: 8 },
    });
    assert.isNotEmpty(overlapping([panel(0, 0), panel(4, 4)]));
    assert.isEmpty(overlapping([panel(0, 0), panel(8, 0), panel(0, 8)]));
  });
});

function overlapping(panels: readonly ShownPanel[]): string[] {
  return panels.flatMap(({ title, gridPos: a }, i) =>
    panels
      .slice(i + 1)
      .filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
      .map(other => `${title} and ${other.title}`),
  );
}
