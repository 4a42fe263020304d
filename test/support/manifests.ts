/** Reads the manifests in deploy/. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../../scripts/chart/files.ts';

/** Loosely typed: each kind has its own shape, which the API server checks. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a kind.
  readonly spec: any;
  readonly [field: string]: unknown;
}

export interface Container {
  readonly args: readonly string[];
  readonly securityContext: object;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

export interface Probe {
  readonly httpGet?: object;
  readonly grpc?: object;
}

/** Paths in the project of all files that are applied as they are. */
export function manifests(): readonly string[] {
  return globSync('deploy/{envoy-gateway,inference-pool,kubernetes,sglang,vllm}/*.yaml', { cwd: PROJECT })
    .filter(path => !path.endsWith('/values.yaml'))
    .sort();
}

export async function objectsOf(path: string): Promise<readonly KubernetesObject[]> {
  return objectsIn(await readFile(`${PROJECT}${path}`, 'utf8'));
}

export function objectsIn(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text)
    .map(document => document.toJS() as KubernetesObject | null)
    .filter(object => object !== null);
}
