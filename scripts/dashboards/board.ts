/** One dashboard: its panels in rows, the variables that they are narrowed by, links to the others and to the runbook. */
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { RUNBOOK } from '../alert-rules.ts';
import { DATASOURCE, type Panel } from './panels.ts';
import { OWNER_LABELS, TARGET_LABELS } from './promql.ts';

export interface Board {
  /** Never changes: other pages link to it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** Title of the row → its panels, from left to right, 24 columns a line. */
  readonly rows: Readonly<Record<string, readonly Panel[]>>;
}

const TAG = 'warmroute';

/** The dashboard as Grafana imports it. */
export function dashboardOf({ uid, title, description, rows }: Board): Dashboard {
  const builder = new DashboardBuilder(`Warmroute: ${title}`)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .editable()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-30m', to: 'now' })
    .refresh('10s')
    .link(
      new DashboardLinkBuilder('Warmroute')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true)
        .includeVars(true),
    )
    .link(new DashboardLinkBuilder('Runbook').type(DashboardLinkType.Link).url(RUNBOOK).targetBlank(true))
    .annotation(firingAlerts());
  let id = 0;
  for (const [name, panels] of Object.entries(rows)) {
    id++;
    builder.withRow(new RowBuilder(name).id(id));
    for (const panel of panels) {
      id++;
      builder.withPanel(panel.id(id));
    }
  }
  const text = JSON.stringify(builder.build());
  builder.withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const label of TARGET_LABELS) builder.withVariable(labelValues(label));
  for (const label of OWNER_LABELS) if (text.includes(`$${label}`)) builder.withVariable(labelValues(label));
  return builder.build();
}

function firingAlerts(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Alerts')
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor('red')
    .expr('ALERTS{alertname=~"Warmroute.+", alertstate="firing"}')
    .titleFormat('{{alertname}}')
    .tagKeys('severity,pod,model,instance');
}

/** Whose label it is, which other choices narrow it, and what stands for all of its values. */
const VALUES = {
  // Outside of Kubernetes nothing has a namespace.
  namespace: { of: METRICS.build, within: [], all: '.*' },
  // All that there are, one by one: an expression for any would also find the process metrics of other programs.
  job: { of: METRICS.build, within: ['namespace'], all: undefined },
  instance: { of: METRICS.build, within: ['namespace', 'job'], all: undefined },
  // An expression, since a thousand names would be too long a query.
  model: { of: METRICS.decisions, within: TARGET_LABELS, all: '.*' },
  pod: { of: METRICS.podHealth, within: TARGET_LABELS, all: '.*' },
} as const;

function labelValues(label: keyof typeof VALUES): QueryVariableBuilder {
  const { of, within, all } = VALUES[label];
  const among = within.map(name => `${name}=~"$${name}"`).join(', ');
  const query = `label_values(${of.name}{${among}}, ${label})`;
  const builder = new QueryVariableBuilder(label)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: label })
    .definition(query)
    .multi(true)
    .includeAll(true)
    .current({ text: 'All', value: '$__all' })
    .sort(VariableSort.AlphabeticalAsc)
    .refresh(VariableRefresh.OnTimeRangeChanged);
  return all === undefined ? builder : builder.allValue(all);
}
