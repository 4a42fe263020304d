/** Pods and InferencePools as the Kubernetes API shows them. */
import type { KubeObject } from './fake-kube-store.ts';

export interface KubePodOptions {
  readonly name: string;
  readonly namespace?: string;
  /** undefined: it has none yet. */
  readonly ip?: string | undefined;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly ready?: boolean;
  /** Since when it is being deleted. */
  readonly deletionTimestamp?: string;
  readonly phase?: string;
  /** By name: the ports that each declares, and how often it was started. */
  readonly containers?: Readonly<
    Record<string, { readonly ports?: readonly number[]; readonly restarts?: number }>
  >;
}

/** Running and ready, with one container that was started once, unless it is told otherwise. */
export function kubePod(options: KubePodOptions): KubeObject {
  const { name, namespace = 'default', ip, labels = {}, annotations = {}, ready = true, phase } = options;
  const { containers = { engine: {} }, deletionTimestamp } = options;
  return {
    metadata: {
      ...{ name, namespace, labels, annotations },
      ...(deletionTimestamp !== undefined && { deletionTimestamp, deletionGracePeriodSeconds: 30 }),
    },
    spec: {
      nodeName: 'node-0',
      containers: Object.entries(containers).map(([container, { ports = [] }]) => ({
        ...{ name: container, image: 'example/engine' },
        ports: ports.map(containerPort => ({ containerPort, protocol: 'TCP' })),
      })),
    },
    status: {
      phase: phase ?? 'Running',
      ...(ip !== undefined && { podIP: ip, podIPs: [{ ip }] }),
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: ready ? 'True' : 'False' },
      ],
      containerStatuses: Object.entries(containers).map(([container, { restarts = 0 }]) => ({
        ...{ name: container, ready, started: true, restartCount: restarts },
        containerID: `containerd://${name}-${container}-${restarts}`,
      })),
    },
  };
}

export function inferencePool(
  name: string,
  matchLabels: Record<string, string>,
  ports: readonly number[],
  namespace = 'default',
): KubeObject {
  return {
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels },
      targetPorts: ports.map(number => ({ number })),
      endpointPickerRef: { name: 'warmroute', port: { number: 50052 } },
    },
  };
}
