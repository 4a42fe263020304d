/** The kinds of panels that the dashboards are made of, with what all of them have in common. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { runbookOf } from '../alert-rules.ts';
import type { AlertName } from '../alerts.ts';

/** Grafana's names of units. */
export type Unit =
  | ('s' | 'percentunit' | 'bytes' | 'short' | 'dtdurations')
  | ('reqps' | 'suffix: tokens/s' | 'suffix: blocks/s' | 'suffix: /s');

/** From which value on it is worth a look, and from which one on it is wrong. `falling`: below these values. */
export interface Limits {
  readonly warn: number;
  readonly bad: number;
  readonly falling?: true;
}

export interface PanelAsked {
  /** What it shows and what a bad value means: that of a declared metric, or words of its own. */
  readonly about: { readonly help: string; readonly bad: string };
  readonly unit: Unit;
  /** Legend, which may name labels as `{{pod}}`, → PromQL. */
  readonly queries: Readonly<Record<string, string>>;
  readonly limits?: Limits;
  /** Whose section of the runbook says what to do. */
  readonly alert?: AlertName;
  /** Of 24 columns; default: a third for lines, an eighth for numbers. */
  readonly width?: number;
}

export interface LinesAsked extends PanelAsked {
  /** Parts of a whole are stacked. */
  readonly stacked?: true;
}

export const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const HEIGHT = { lines: 8, number: 4 };

export type Panel = LinesBuilder | StatBuilder | TableBuilder;

/** Values over time. */
export function lines(title: string, asked: LinesAsked): LinesBuilder {
  const builder = new LinesBuilder()
    .span(asked.width ?? 8)
    .height(HEIGHT.lines)
    .min(0)
    .lineWidth(1)
    .fillOpacity(asked.stacked ? 30 : 8)
    .legend(legendOf(asked))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (asked.stacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (asked.limits)
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  return common(builder, title, asked);
}

/** The latest value, large. */
export function number(title: string, asked: PanelAsked): StatBuilder {
  const builder = new StatBuilder()
    .span(asked.width ?? 3)
    .height(HEIGHT.number)
    .graphMode(BigValueGraphMode.Area)
    .colorMode(asked.limits ? BigValueColorMode.Value : BigValueColorMode.None)
    .noValue('–')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  return common(builder, title, asked);
}

export interface TableAsked extends PanelAsked {
  /** Label → title of its column. A query with the name of a label is there for that label: what it counts is not shown. */
  readonly labels: Readonly<Record<string, string>>;
}

/** One row per value of a label that all queries have; the names of queries are the titles of columns. */
export function table(title: string, asked: TableAsked): TableBuilder {
  const builder = new TableBuilder().span(asked.width ?? 24).height(10);
  common(builder, title, { ...asked, queries: {} });
  const renameByName: Record<string, string> = { ...asked.labels };
  const excludeByName: Record<string, true> = { Time: true };
  for (const [i, [name, expression]] of Object.entries(asked.queries).entries()) {
    builder.withTarget(
      new DataqueryBuilder().refId(refId(i)).expr(expression).instant().format(PromQueryFormat.Table),
    );
    const column = `Value #${refId(i)}`;
    if (name in asked.labels) excludeByName[column] = true;
    else renameByName[column] = name;
  }
  return builder
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({ id: 'organize', options: { excludeByName, renameByName } });
}

function common<Builder extends Panel>(builder: Builder, title: string, asked: PanelAsked): Builder {
  const { about, unit, queries, limits, alert } = asked;
  const said = [about.help, `**A bad value:** ${about.bad}`];
  if (alert) {
    said.push(`[${alert} in the runbook](${runbookOf(alert)})`);
    builder.links([
      new DashboardLinkBuilder(`Runbook: ${alert}`)
        .type(DashboardLinkType.Link)
        .url(runbookOf(alert))
        .targetBlank(true),
    ]);
  }
  builder.title(title).description(said.join('\n\n')).datasource(DATASOURCE).unit(unit);
  builder.thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(stepsOf(limits)));
  for (const [i, [legend, expression]] of Object.entries(queries).entries())
    builder.withTarget(new DataqueryBuilder().refId(refId(i)).expr(expression).legendFormat(legend).range());
  return builder;
}

function legendOf({ queries }: PanelAsked): VizLegendOptionsBuilder {
  const many = Object.keys(queries).some(legend => legend.includes('{{'));
  return new VizLegendOptionsBuilder()
    .showLegend(true)
    .placement(LegendPlacement.Bottom)
    .displayMode(many ? LegendDisplayMode.Table : LegendDisplayMode.List)
    .calcs(many ? ['lastNotNull', 'max'] : []);
}

function stepsOf(limits: Limits | undefined): Threshold[] {
  if (limits === undefined) return [{ value: null, color: 'green' }];
  const { warn, bad } = limits;
  return limits.falling
    ? [
        { value: null, color: 'red' },
        { value: bad, color: 'yellow' },
        { value: warn, color: 'green' },
      ]
    : [
        { value: null, color: 'green' },
        { value: warn, color: 'yellow' },
        { value: bad, color: 'red' },
      ];
}

const refId = (i: number) => String.fromCharCode('A'.charCodeAt(0) + i);
