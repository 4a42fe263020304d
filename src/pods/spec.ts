import type { KvEventSource, Pod, TokenizerPlace } from '../domain.ts';

/** One entry of the pods file: what the operator says is there, before its host name is resolved. */
export interface PodSpec {
  /** Unique in the file, without `/`. */
  readonly name: string;
  /** An IPv4 or IPv6 address without brackets, or a host name. */
  readonly address: string;
  readonly port: number;
  readonly model: string;
  readonly aliases: readonly string[];
  readonly kvEvents: KvEventSource;
  readonly labels: Readonly<Record<string, string>>;
  readonly zone?: string;
  readonly tokenizer?: TokenizerPlace;
}

/** An entry and the pods it stands for: none while its host name does not resolve, one per address otherwise. */
export interface PodEntry {
  readonly spec: PodSpec;
  readonly pods: readonly Pod[];
  /** Pods that are not to be picked now, and may be soon: what they hold is followed all the while. Default: none. */
  readonly unready?: readonly Pod[];
}

/**
 * The pods of `spec` at these addresses. With one address the pod is named like the entry; with several each is named
 * `entry/ip`, which no entry can be named itself because `/` is not allowed there.
 */
export function entryAt(spec: PodSpec, addresses: readonly string[]): PodEntry {
  const { address: _, ...shared } = spec;
  const pods = addresses.map(ip => ({
    ...shared,
    name: addresses.length === 1 ? spec.name : `${spec.name}/${ip}`,
    ip,
  }));
  return { spec, pods };
}
