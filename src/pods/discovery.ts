import { isIP } from 'node:net';
import { realSleep, repeat, type Sleep } from '../time.ts';
import { type FileContent, readContent, watchFile } from './file-watch.ts';
import { HostNames, type Resolve, resolveWithSystem, type UnresolvedHost } from './host-names.ts';
import { type PodsFileProblem, parsePodsFile } from './pods-file.ts';
import type { PodRegistry } from './registry.ts';
import { entryAt, type PodSpec } from './spec.ts';

/** Why pods are not as the operator wants them. None is terminal: what was last known good stays in force. */
export type DiscoveryProblem =
  | { readonly kind: 'invalid_file'; readonly path: string; readonly problems: readonly PodsFileProblem[] }
  | {
      readonly kind: 'unreadable_file';
      readonly path: string;
      readonly code: string;
      readonly reason: string;
    }
  | ({ readonly kind: 'unresolved_host' } & UnresolvedHost);

/** There is no usable pods file at start, so there is nothing to fall back on. Terminal; the message is for operators. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
  readonly problem: DiscoveryProblem;

  constructor(problem: DiscoveryProblem) {
    super(`${describeProblem(problem)}\n${ADVICE}`);
    this.problem = problem;
  }
}

const ADVICE =
  'The pods file lists the engines, as YAML or JSON: "pods", a list of name, address, port and model. ' +
  'Create or correct it, or set the path of another one.';

/** One problem in words; the lines after the first are one finding each. */
export function describeProblem(problem: DiscoveryProblem): string {
  switch (problem.kind) {
    case 'invalid_file': {
      const findings = problem.problems.map(({ place, reason }) => `\n  ${place}: ${reason}`);
      return `the pods file ${problem.path} is not valid:${findings.join('')}`;
    }
    case 'unreadable_file':
      return `the pods file ${problem.path} cannot be read: ${problem.reason}`;
    case 'unresolved_host': {
      const kept =
        problem.keptAddresses.length > 0 ? `keeping ${problem.keptAddresses.join(', ')}` : 'no pods there';
      return `the host name ${problem.host} does not resolve (${kept}): ${problem.reason}`;
    }
  }
}

export interface PodsFileOptions {
  readonly path: string;
  readonly registry: PodRegistry;
  readonly resolve?: Resolve;
  /** Default 5000. Also how long the start waits for host names before it goes on without them. */
  readonly resolveEveryMs?: number;
  /** Default 1000. Most changes are seen at once; this is for those that a directory watch misses. */
  readonly pollEveryMs?: number;
  /** Default 50. See `watchFile`. */
  readonly settleMs?: number;
  /** Each problem is announced when it begins: a broken file once per content, a host name once until it resolves. */
  readonly onProblem: (problem: DiscoveryProblem) => void;
  /** A changed file is in force; `count` entries. Not called for the first read. */
  readonly onReload?: (count: number) => void;
  readonly sleep?: Sleep;
}

export interface PodsFileFollower {
  /** Reads the file and resolves all names now; announces what the file gave even if it did not change. */
  reload(): Promise<void>;
  /** Afterwards the registry is left as it is and no timer or watcher remains. */
  stop(): Promise<void>;
}

/**
 * Keeps `registry` equal to the pods file and to what its host names resolve to. A host name with several addresses is
 * one pod per address. Throws DiscoveryError if the file cannot be used at start.
 */
export async function followPodsFile(options: PodsFileOptions): Promise<PodsFileFollower> {
  const { path, registry, onProblem, onReload, resolve = resolveWithSystem, sleep = realSleep } = options;
  const { resolveEveryMs = 5000, pollEveryMs = 1000, settleMs = 50 } = options;
  const stopping = new AbortController();

  const initial = await readContent(path);
  const first = readSpecs(path, initial);
  if (first.kind !== 'specs') throw new DiscoveryError(first);

  let specs: readonly PodSpec[] = [];
  const hosts = new HostNames({
    resolve,
    onChange: publish,
    onUnresolved: failure => {
      if (!stopping.signal.aborted) onProblem({ kind: 'unresolved_host', ...failure });
    },
  });

  function publish(): void {
    if (stopping.signal.aborted) return;
    registry.replace(
      specs.map(spec => entryAt(spec, isIP(spec.address) ? [spec.address] : hosts.addressesOf(spec.address))),
    );
  }

  function adopt(next: readonly PodSpec[]): Promise<void> {
    specs = next;
    hosts.follow(new Set(next.map(spec => spec.address).filter(address => !isIP(address))));
    publish();
    return hosts.refresh();
  }

  function onContent(content: FileContent): void {
    const read = readSpecs(path, content);
    if (read.kind !== 'specs') {
      onProblem(read);
      return;
    }
    void adopt(read.specs);
    onReload?.(read.specs.length);
  }

  // A slow DNS must not keep the pods whose addresses are known from being served.
  const waiting = new AbortController();
  const patience = sleep(resolveEveryMs, waiting.signal).catch(() => undefined);
  await Promise.race([adopt(first.specs), patience]);
  waiting.abort();

  const file = watchFile({ path, initial, pollEveryMs, settleMs, sleep, onChange: onContent });
  const resolving = repeat({
    everyMs: resolveEveryMs,
    sleep,
    signal: stopping.signal,
    // Not awaited: one name that hangs must not hold up the others.
    task: () => void hosts.refresh(),
  });
  return {
    async reload() {
      await file.reread();
      await hosts.refresh();
    },
    async stop() {
      stopping.abort();
      await Promise.all([file.stop(), resolving]);
    },
  };
}

/** What is wrong with a pods file, without following it. */
export async function checkPodsFile(path: string): Promise<DiscoveryProblem | undefined> {
  const read = readSpecs(path, await readContent(path));
  return read.kind === 'specs' ? undefined : read;
}

function readSpecs(
  path: string,
  content: FileContent,
): { readonly kind: 'specs'; readonly specs: readonly PodSpec[] } | DiscoveryProblem {
  if (content.kind === 'unreadable') {
    return { kind: 'unreadable_file', path, code: content.code, reason: content.reason };
  }
  const parsed = parsePodsFile(content.text);
  if (parsed.kind === 'invalid') return { kind: 'invalid_file', path, problems: parsed.problems };
  return { kind: 'specs', specs: parsed.specs };
}
