/** What the gRPC port shows of itself by TLS, kept up to date with the files that it is from. */
import type { ServerIdentity } from '../extproc/tls-handshakes.ts';
import { BoundedReader, type FileContent } from '../pods/bounded-read.ts';
import { watchFile } from '../pods/file-watch.ts';
import { type Clock, realSleep, repeat, type Sleep, wallClock } from '../time.ts';
import {
  type CheckedIdentity,
  checkIdentity,
  type IdentityCheck,
  type PemParts,
  type PemText,
  type ShownCertificate,
} from './pem-identity.ts';

/** A file, and the setting that names it, for messages. */
export interface PemFile {
  readonly setting: string;
  readonly path: string;
}

export interface IdentitySource {
  readonly cert: PemFile | PemText;
  readonly key: PemFile | PemText;
  /** Clients need a certificate of one of the authorities in it. */
  readonly clientCa: PemFile | undefined;
}

export type IdentityFact =
  /** New connections get it. */
  | { readonly kind: 'changed'; readonly certificate: ShownCertificate }
  /** The files cannot be used as they are: what was shown before still is. Reported once per content. */
  | { readonly kind: 'kept'; readonly problem: string }
  /** Reported once per certificate. */
  | { readonly kind: 'ends_soon' | 'ended'; readonly certificate: ShownCertificate };

export interface IdentityOptions {
  readonly source: IdentitySource;
  readonly onFact: (fact: IdentityFact) => void;
  /** Ends the start, which rejects with its reason. Without effect afterwards. */
  readonly ending?: AbortSignal | undefined;
  /** Default 10 s. Most changes are seen at once; this is for those that a directory watch misses. */
  readonly pollEveryMs?: number;
  /** Default 500. A certificate and its key may be written one after the other. */
  readonly settleMs?: number;
  readonly sleep?: Sleep;
  readonly now?: Clock;
}

export interface FollowedIdentity {
  readonly current: ServerIdentity;
  readonly certificate: ShownCertificate;
  /** Afterwards no timer or watcher is left. */
  stop(): Promise<void>;
}

/** More than the chains of all authorities that a system trusts. */
const READ_BOUNDS = { maxBytes: 1 << 20, timeoutMs: 5_000 };
const LOOK_EVERY_MS = 60_000;
/** Soon is a week, or a fifth of the time that a certificate is valid for, if that is less. */
const SOON_MS = 7 * 86_400_000;
const SOON_SHARE = 0.2;

/** Rejects with what is wrong with the files, naming the setting. A certificate that has ended is served, and reported. */
export async function followIdentity(options: IdentityOptions): Promise<FollowedIdentity> {
  const {
    source,
    onFact,
    pollEveryMs = 10_000,
    settleMs = 500,
    sleep = realSleep,
    now = wallClock,
  } = options;
  const { ending = new AbortController().signal } = options;
  const stopping = new AbortController();
  const reader = new BoundedReader(READ_BOUNDS);
  const read = (_: string, signal: AbortSignal) => readParts(source, reader, signal);

  const initial = await read('', ending);
  const first = check(initial);
  if (first.kind === 'invalid') throw new Error(first.problem);
  let current: CheckedIdentity = first;

  function onChange(content: FileContent): void {
    const next = check(content);
    if (next.kind === 'invalid') {
      onFact({ kind: 'kept', problem: next.problem });
    } else if (hasEnded(next.certificate, now()) && !hasEnded(current.certificate, now())) {
      onFact({ kind: 'kept', problem: 'the new certificate has ended, and the one before it has not' });
    } else {
      current = next;
      onFact({ kind: 'changed', certificate: next.certificate });
      look();
    }
  }

  let reported: string | undefined;
  function look(): void {
    const { certificate } = current;
    const kind = stageOf(certificate, now());
    const what = `${kind} ${certificate.serialNumber} ${certificate.endsAt}`;
    if (kind === 'valid' || reported === what) return;
    reported = what;
    onFact({ kind, certificate });
  }

  look();
  const looking = repeat({ everyMs: LOOK_EVERY_MS, sleep, signal: stopping.signal, task: look });
  const file = [source.cert, source.key, source.clientCa].find(each => each !== undefined && 'path' in each);
  // The files are read together whichever changes, so that a certificate is never seen with the key of another one.
  const watch = file && watchFile({ path: file.path, read, initial, pollEveryMs, settleMs, sleep, onChange });
  return {
    get current() {
      return current.identity;
    },
    get certificate() {
      return current.certificate;
    },
    async stop() {
      stopping.abort();
      await Promise.all([looking, watch?.stop()]);
    },
  };
}

/** All parts as one content, the JSON of {@link PemParts}, or what the first file is like that cannot be read. */
async function readParts(
  source: IdentitySource,
  reader: BoundedReader,
  signal: AbortSignal,
): Promise<FileContent> {
  const parts: Record<string, PemText> = {};
  for (const [part, from] of Object.entries<PemFile | PemText | undefined>({ ...source })) {
    if (from === undefined) continue;
    if ('text' in from) {
      parts[part] = from;
      continue;
    }
    const content = await reader.read(from.path, signal);
    if (content.kind === 'unreadable') return { ...content, reason: `${from.setting}: ${content.reason}` };
    parts[part] = { setting: from.setting, text: content.text };
  }
  return { kind: 'text', text: JSON.stringify(parts) };
}

function check(content: FileContent): IdentityCheck {
  return content.kind === 'unreadable'
    ? { kind: 'invalid', problem: content.reason }
    : checkIdentity(JSON.parse(content.text) as PemParts);
}

function hasEnded({ endsAt }: ShownCertificate, now: number): boolean {
  return endsAt <= now;
}

function stageOf(certificate: ShownCertificate, now: number): 'valid' | 'ends_soon' | 'ended' {
  if (hasEnded(certificate, now)) return 'ended';
  const { beginsAt, endsAt } = certificate;
  return endsAt - now < Math.min(SOON_MS, SOON_SHARE * (endsAt - beginsAt)) ? 'ends_soon' : 'valid';
}
