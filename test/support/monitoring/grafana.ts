/** Dashboards as Grafana reads them, as far as tests look at them. */
import { dashboardFiles } from '../../../scripts/dashboards/dashboards.ts';

export interface ShownPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat?: string }[];
}

export interface ShownDashboard {
  readonly uid: string;
  readonly title: string;
  /** Rows are left out. */
  readonly panels: readonly ShownPanel[];
  /** With the rows' titles. */
  readonly all: readonly ShownPanel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[];
  };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly links: readonly { readonly type: string; readonly tags: readonly string[] }[];
}

export function dashboards(): readonly ShownDashboard[] {
  return Object.values(dashboardFiles()).map(text => {
    const dashboard = JSON.parse(text) as ShownDashboard;
    const all = dashboard.panels;
    return { ...dashboard, all, panels: all.filter(({ type }) => type !== 'row') };
  });
}

/** Prometheus' own metric of the alerts that it has. */
export const ofAlerts = (expression: string) => expression.includes('ALERTS{');
