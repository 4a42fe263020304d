import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Slots } from '../slots.ts';
import type { Clock, Sleep } from '../time.ts';

/** The addresses of a host name now; rejects, or gives none, if there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/**
 * Asks the system (hosts file, then DNS). A name with IPv4 and IPv6 addresses gives the IPv4 ones: in dual-stack networks
 * both lead to the same engine, which must not count as two.
 */
export const resolveWithSystem: Resolve = async host =>
  oneFamily((await lookup(host, { all: true })).map(({ address }) => address));

export function oneFamily(addresses: readonly string[]): readonly string[] {
  const ipv4 = addresses.filter(address => isIP(address) === 4);
  return ipv4.length > 0 ? ipv4 : addresses;
}

/** `keptAddresses` stay in force: the last that were known, none if the name never resolved. */
export interface UnresolvedHost {
  readonly host: string;
  readonly reason: string;
  readonly keptAddresses: readonly string[];
}

interface HostState {
  addresses: readonly string[];
  /** Failures are announced when they begin, not each time. */
  failingSince: number | undefined;
  pending: Promise<void> | undefined;
}

/**
 * At once, so that a thousand names do not queue up in libuv, where they cannot be taken back. More than libuv asks itself, so that a
 * resolver of another kind is not held up.
 */
const MAX_ASKED_AT_ONCE = 16;
/** From one announcement of changes to the next: whoever hears of them looks at all pods. */
const ANNOUNCE_EVERY_MS = 50;

export interface HostNamesOptions {
  readonly resolve: Resolve;
  readonly sleep: Sleep;
  readonly now: Clock;
  /** Nothing is announced after this. */
  readonly stopping: AbortSignal;
  /** Addresses of these names have changed. */
  readonly onChange: (hosts: readonly string[]) => void;
  readonly onUnresolved: (failure: UnresolvedHost) => void;
}

/** Keeps the addresses of a set of host names. A name that stops resolving keeps its last addresses. */
export class HostNames {
  readonly #options: HostNamesOptions;
  readonly #hosts = new Map<string, HostState>();
  readonly #slots = new Slots(MAX_ASKED_AT_ONCE);
  readonly #changed = new Set<string>();
  #isPausing = false;

  constructor(options: HostNamesOptions) {
    this.#options = options;
  }

  /** Ordered, without duplicates; empty for a name that has not resolved yet or is not followed. */
  addressesOf(host: string): readonly string[] {
    return this.#hosts.get(host)?.addresses ?? [];
  }

  /** Since when some name has not resolved; undefined: all do. */
  get failingSince(): number | undefined {
    const since = [...this.#hosts.values()].flatMap(({ failingSince }) => failingSince ?? []);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** Follows exactly these names from now on. Names that are new are resolved by the next `refresh`. */
  follow(hosts: ReadonlySet<string>): void {
    for (const host of this.#hosts.keys()) if (!hosts.has(host)) this.#hosts.delete(host);
    for (const host of hosts) {
      if (!this.#hosts.has(host))
        this.#hosts.set(host, { addresses: [], failingSince: undefined, pending: undefined });
    }
  }

  /** Resolves all names; settles when the last one has answered. Names that are still being asked are not asked twice. */
  async refresh(): Promise<void> {
    await Promise.all(
      [...this.#hosts].map(([host, state]) => {
        state.pending ??= this.#askInTurn(host, state).finally(() => {
          state.pending = undefined;
        });
        return state.pending;
      }),
    );
    this.#announce();
  }

  async #askInTurn(host: string, state: HostState): Promise<void> {
    const { stopping } = this.#options;
    try {
      await this.#slots.run(stopping, async () => {
        // It may not be followed any more.
        if (this.#hosts.get(host) === state) await this.#ask(host, state);
      });
    } catch (error) {
      if (!stopping.aborted) throw error;
    }
  }

  async #ask(host: string, state: HostState): Promise<void> {
    const answer = await this.#answerFor(host);
    if (this.#hosts.get(host) !== state) return;
    if (!Array.isArray(answer)) {
      if (state.failingSince === undefined) {
        this.#options.onUnresolved({ host, reason: answer.reason, keptAddresses: state.addresses });
      }
      state.failingSince ??= this.#options.now();
      return;
    }
    state.failingSince = undefined;
    if (answer.join() === state.addresses.join()) return;
    state.addresses = answer;
    this.#changed.add(host);
    if (!this.#isPausing) this.#announce();
  }

  #announce(): void {
    if (this.#changed.size === 0) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#options.onChange(changed);
    if (!this.#isPausing) void this.#pause();
  }

  async #pause(): Promise<void> {
    const { sleep, stopping } = this.#options;
    this.#isPausing = true;
    await sleep(ANNOUNCE_EVERY_MS, stopping).catch(() => {});
    this.#isPausing = false;
    if (!stopping.aborted) this.#announce();
  }

  async #answerFor(host: string): Promise<string[] | { readonly reason: string }> {
    try {
      const addresses = [...new Set(await this.#options.resolve(host))].sort();
      return addresses.length > 0 ? addresses : { reason: 'the name has no address' };
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
