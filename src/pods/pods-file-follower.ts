import { isIP } from 'node:net';
import { dirname, resolve as resolvePath } from 'node:path';
import { type Clock, monotonicClock, realSleep, repeat, type Sleep } from '../time.ts';
import { BoundedReader, DEFAULT_READ_BOUNDS, type FileContent, type ReadBounds } from './bounded-read.ts';
import { watchFile } from './file-watch.ts';
import { HostNames, type Resolve, resolveWithSystem } from './host-names.ts';
import type { PodSink } from './pod-sources.ts';
import { parsePodsFileAside } from './pods-file-aside.ts';
import { type DiscoveryProblem, describeProblem } from './problem.ts';
import { type OwnedAddress, reservedAmong } from './reserved-address.ts';
import { entryAt, type PodSpec } from './spec.ts';

/** There is no usable pods file at start, so there is nothing to fall back on. Terminal; the message is for operators. */
export class PodsFileError extends Error {
  override readonly name = 'PodsFileError';
  readonly problem: DiscoveryProblem;

  constructor(problem: DiscoveryProblem) {
    super(`${describeProblem(problem)}\n${ADVICE}`);
    this.problem = problem;
  }
}

const ADVICE =
  'The pods file lists the engines, as YAML or JSON: "pods", a list of name, address, port and model. ' +
  'Create or correct it, or set the path of another one.';

export interface PodsFileOptions {
  readonly path: string;
  readonly sink: PodSink;
  readonly resolve?: Resolve;
  /** Default 5000. Also how long the start waits for host names before it goes on without them. */
  readonly resolveEveryMs?: number;
  /** Default 1000. Most changes are seen at once; this is for those that a directory watch misses. */
  readonly pollEveryMs?: number;
  /** Default 50. See `watchFile`. */
  readonly settleMs?: number;
  readonly bounds?: ReadBounds;
  /** Ends the start, which rejects with its reason. Without effect afterwards. */
  readonly ending?: AbortSignal;
  /** Each problem is announced when it begins: a broken file once per content, a host name once until it resolves. */
  readonly onProblem: (problem: DiscoveryProblem) => void;
  /** A changed file is in force; `count` entries. Not called for the first read. */
  readonly onReload?: (count: number) => void;
  readonly sleep?: Sleep;
  readonly now?: Clock;
}

export interface PodsFileFollower {
  /** Reads the file and resolves all names now; announces what the file gave even if it did not change. */
  reload(): Promise<void>;
  /** For how many milliseconds the file has not been usable, and some host name has not resolved; 0: it is in force. */
  stale(): { readonly file: number; readonly dns: number };
  /** Afterwards the sink is left as it is and no timer or watcher remains. */
  stop(): Promise<void>;
}

/**
 * Keeps `sink` equal to the pods file and to what its host names resolve to. A host name with several addresses is
 * one pod per address. Throws PodsFileError if the file cannot be used at start.
 */
export async function followPodsFile(options: PodsFileOptions): Promise<PodsFileFollower> {
  const { path, sink, onProblem, onReload, resolve = resolveWithSystem, sleep = realSleep } = options;
  const { now = monotonicClock } = options;
  const { resolveEveryMs = 5000, pollEveryMs = 1000, settleMs = 50, bounds = DEFAULT_READ_BOUNDS } = options;
  const { ending = new AbortController().signal } = options;
  const stopping = new AbortController();
  const reader = new BoundedReader(bounds);
  const read = (file: string, signal: AbortSignal) => reader.read(file, signal);

  const initial = await read(path, ending);
  const first = await readSpecs(path, initial, ending);
  if (first.kind !== 'specs') throw new PodsFileError(first);

  let specs: readonly PodSpec[] = [];
  let brokenSince: number | undefined;
  const hosts = new HostNames({
    resolve,
    sleep,
    now,
    stopping: stopping.signal,
    onChange(changed) {
      tellReserved(changed.flatMap(host => hosts.addressesOf(host).map(address => ({ of: host, address }))));
      publish();
    },
    onUnresolved: failure => {
      if (!stopping.signal.aborted) onProblem({ kind: 'unresolved_host', ...failure });
    },
  });

  /** Those that were reported since the file changed. */
  const reported = new Set<string>();

  function tellReserved(addresses: readonly OwnedAddress[]): void {
    const findings = reservedAmong(addresses).filter(({ of, address }) => !reported.has(`${of} ${address}`));
    if (findings.length === 0) return;
    for (const { of, address } of findings) reported.add(`${of} ${address}`);
    onProblem({ kind: 'reserved_address', findings });
  }

  const msSince = (at: number | undefined) => (at === undefined ? 0 : now() - at);

  function publish(): void {
    if (stopping.signal.aborted) return;
    sink.replace(
      specs.map(spec => entryAt(spec, isIP(spec.address) ? [spec.address] : hosts.addressesOf(spec.address))),
    );
  }

  function adopt(next: readonly PodSpec[]): Promise<void> {
    specs = next;
    reported.clear();
    tellReserved(literalsOf(next));
    hosts.follow(new Set(next.map(spec => spec.address).filter(address => !isIP(address))));
    publish();
    return hosts.refresh();
  }

  async function onContent(content: FileContent): Promise<void> {
    const next = await readSpecs(path, content, stopping.signal);
    if (stopping.signal.aborted) return;
    if (next.kind !== 'specs') {
      brokenSince ??= now();
      onProblem(next);
      return;
    }
    brokenSince = undefined;
    void adopt(next.specs);
    onReload?.(next.specs.length);
  }

  // A slow DNS must not keep the pods whose addresses are known from being served.
  const waiting = new AbortController();
  const patience = sleep(resolveEveryMs, AbortSignal.any([ending, waiting.signal])).catch(() => undefined);
  await Promise.race([adopt(first.specs), patience]);
  waiting.abort();
  if (ending.aborted) {
    stopping.abort();
    hosts.follow(new Set());
    throw ending.reason;
  }

  const file = watchFile({ path, read, initial, pollEveryMs, settleMs, sleep, onChange: onContent });
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
    stale: () => ({ file: msSince(brokenSince), dns: msSince(hosts.failingSince) }),
    async stop() {
      stopping.abort();
      // Whatever waits for its turn to be asked.
      hosts.follow(new Set());
      await Promise.all([file.stop(), resolving]);
    },
  };
}

/**
 * What is wrong with a pods file, or odd, without following it; host names are not resolved. Rejects with the reason of `ending` when
 * that is aborted.
 */
export async function checkPodsFile(
  path: string,
  ending: AbortSignal = new AbortController().signal,
): Promise<DiscoveryProblem | undefined> {
  const read = await readSpecs(path, await new BoundedReader().read(path, ending), ending);
  if (read.kind !== 'specs') return read;
  const findings = reservedAmong(literalsOf(read.specs));
  return findings.length === 0 ? undefined : { kind: 'reserved_address', findings };
}

/** A directory that is named in the file is relative to it. */
function withAbsolutePath(spec: PodSpec, directory: string): PodSpec {
  return spec.tokenizer?.kind === 'directory'
    ? { ...spec, tokenizer: { kind: 'directory', path: resolvePath(directory, spec.tokenizer.path) } }
    : spec;
}

/** Entries that have an address, not a host name. */
function literalsOf(specs: readonly PodSpec[]): { readonly of: string; readonly address: string }[] {
  return specs.filter(({ address }) => isIP(address)).map(({ name, address }) => ({ of: name, address }));
}

async function readSpecs(
  path: string,
  content: FileContent,
  signal: AbortSignal,
): Promise<{ readonly kind: 'specs'; readonly specs: readonly PodSpec[] } | DiscoveryProblem> {
  if (content.kind === 'unreadable') {
    return { kind: 'unreadable_file', path, code: content.code, reason: content.reason };
  }
  const parsed = await parsePodsFileAside(content.text, signal);
  if (parsed.kind === 'invalid') return { kind: 'invalid_file', path, problems: parsed.problems };
  return { kind: 'specs', specs: parsed.specs.map(spec => withAbsolutePath(spec, dirname(path))) };
}
