/**
 * Writes the manifests for those without Helm, rendered from the chart: `npm run render`. The binary is HELM's, that in KUBE_BIN, or
 * `helm`.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CHART, PROJECT } from './files.ts';

const run = promisify(execFile);

/** One manifest: where it is, and what `helm template` is told. */
export interface Rendered {
  readonly path: string;
  readonly args: readonly string[];
}

const only = (template: string) => ['--show-only', `templates/${template}.yaml`];
const values = (path: string) => ['--values', `${PROJECT}${path}`];

export const RENDERED: readonly Rendered[] = [
  { path: 'deploy/kubernetes/warmroute.yaml', args: [] },
  {
    path: 'deploy/kubernetes/all-namespaces.yaml',
    args: ['--set', 'config.WARMROUTE_KUBERNETES_NAMESPACES=*', ...only('rbac'), ...only('deployment')],
  },
  {
    path: 'deploy/kubernetes/network-policy.yaml',
    args: ['--set', 'networkPolicy.enabled=true', ...only('network-policy')],
  },
  {
    path: 'deploy/kubernetes/service-monitor.yaml',
    args: ['--set', 'serviceMonitor.enabled=true', ...only('service-monitor')],
  },
  {
    path: 'deploy/kubernetes/prometheus-rule.yaml',
    args: ['--set', 'prometheusRule.enabled=true', ...only('prometheus-rule')],
  },
  {
    path: 'deploy/kubernetes/autoscaling.yaml',
    args: ['--set', 'autoscaling.enabled=true', ...only('autoscaling')],
  },
  {
    path: 'deploy/envoy-gateway/policies.yaml',
    args: [...values('deploy/envoy-gateway/values.yaml'), ...only('envoy-gateway')],
  },
  {
    path: 'deploy/inference-pool/warmroute.yaml',
    args: values('deploy/inference-pool/values.yaml'),
  },
  {
    path: 'deploy/aibrix/warmroute.yaml',
    args: ['--namespace', 'aibrix-system', ...values('deploy/aibrix/values.yaml')],
  },
];

/** undefined where there is no Helm. */
export async function findHelm(): Promise<string | undefined> {
  const bin = process.env.KUBE_BIN || `${homedir()}/.cache/kube-test/bin`;
  const candidates = [process.env.HELM, `${bin}/helm`].filter(path => path && existsSync(path));
  for (const candidate of [...candidates, 'helm'] as string[])
    if (await run(candidate, ['version', '--short']).then(Boolean, () => false)) return candidate;
  return undefined;
}

/** The text of a manifest. */
export async function render(helm: string, { args }: Rendered): Promise<string> {
  const { stdout } = await run(helm, ['template', 'warmroute', CHART, '--namespace', 'llm', ...args]);
  const objects = stdout
    .split(/^---$/m)
    .map(object => object.replaceAll(/^# Source: .*\n/gm, '').trim())
    .filter(object => object !== '');
  return `${HEADER}${objects.join('\n---\n')}\n`;
}

const HEADER = '# Rendered from deploy/helm/warmroute by `npm run render`. Do not edit.\n';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const helm = await findHelm();
  if (helm === undefined) throw new Error('no helm: install it, or say where it is with HELM');
  for (const rendered of RENDERED)
    await writeFile(`${PROJECT}${rendered.path}`, await render(helm, rendered));
}
