import { type Ran, run } from '../../support/kube/helm.ts';
import { crdFolders, kubeProgram } from './binaries.ts';
import { KubeCluster } from './cluster.ts';

/** A cluster of one's own, and kubectl for whoever may do everything there. */
export class ControlPlane {
  readonly kubeconfig: string;
  readonly #cluster: KubeCluster;
  readonly #kubectl: string;

  private constructor(cluster: KubeCluster, kubectl: string, kubeconfig: string) {
    this.#cluster = cluster;
    this.#kubectl = kubectl;
    this.kubeconfig = kubeconfig;
  }

  /** Takes some seconds. undefined: parts of it are not installed. */
  static async start(): Promise<ControlPlane | undefined> {
    const kubectl = kubeProgram('kubectl');
    if (kubectl === undefined || kubeProgram('kube-apiserver') === undefined) return undefined;
    const cluster = await KubeCluster.start();
    return new ControlPlane(cluster, kubectl, await cluster.writeKubeconfig());
  }

  /** All CustomResourceDefinitions that are there. */
  async applyCrds(): Promise<void> {
    for (const folder of crdFolders()) await this.mustKubectl(['apply', '--server-side', '-f', folder]);
    await this.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  }

  kubectl(args: readonly string[], input = ''): Promise<Ran> {
    return run(this.#kubectl, ['--kubeconfig', this.kubeconfig, ...args], input);
  }

  /** As `kubectl`, for what has to succeed. */
  async mustKubectl(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }
}
