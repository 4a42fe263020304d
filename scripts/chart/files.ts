/** Where the Helm chart and what is generated beside it are. */
import { fileURLToPath } from 'node:url';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const PROJECT = inProject('.');
export const CHART = inProject('deploy/helm/warmroute');
export const VALUES = `${CHART}/values.yaml`;
export const VALUES_SCHEMA = `${CHART}/values.schema.json`;
/** What templates need to know of the program. */
export const GENERATED = `${CHART}/generated.json`;
/** Templates can read what is in the chart's own folder alone. */
export const CHART_FILES = `${CHART}/files`;
export const HELM_PAGE = inProject('docs/helm.md');
