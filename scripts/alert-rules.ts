/** deploy/prometheus/rules.yaml, from the table of alerts. */
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ALERTS, type AlertName, type KnownAlert } from './alerts.ts';

export const RULES_FILE = fileURLToPath(new URL('../deploy/prometheus/rules.yaml', import.meta.url));
export const RUNBOOK = 'https://github.com/warmroute/warmroute/blob/main/docs/runbook.md';

const HEAD = `# Generated from scripts/alerts.ts by \`npm run generate\`. Do not edit.
# Alerts on Warmroute, and on Envoy's ext_proc filter. docs/runbook.md says for each what to do.
`;

/** The paragraph of the runbook about an alert. */
export const runbookOf = (name: AlertName) => `${RUNBOOK}#${name.toLowerCase()}`;

export function annotationsOf({ name, summary, description }: KnownAlert) {
  return { summary, description, runbook_url: runbookOf(name) };
}

/** The text of the rules file. */
export function alertRules(): string {
  const groups = Map.groupBy(ALERTS, ({ about }) => about);
  const rules = {
    groups: [...groups].map(([about, alerts]) => ({ name: `warmroute-${about}`, rules: alerts.map(ruleOf) })),
  };
  return HEAD + stringify(rules, { lineWidth: 0 });
}

function ruleOf(alert: KnownAlert) {
  const { name, expr, for: lasting, severity } = alert;
  return { alert: name, expr, for: lasting, labels: { severity }, annotations: annotationsOf(alert) };
}
