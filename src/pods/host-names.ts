import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

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
  failing: boolean;
  pending: Promise<void> | undefined;
}

/** Keeps the addresses of a set of host names. A name that stops resolving keeps its last addresses. */
export class HostNames {
  readonly #resolve: Resolve;
  readonly #onChange: () => void;
  readonly #onUnresolved: (failure: UnresolvedHost) => void;
  readonly #hosts = new Map<string, HostState>();

  /** `onChange` is called when addresses of any followed name have changed. */
  constructor(options: {
    readonly resolve: Resolve;
    readonly onChange: () => void;
    readonly onUnresolved: (failure: UnresolvedHost) => void;
  }) {
    this.#resolve = options.resolve;
    this.#onChange = options.onChange;
    this.#onUnresolved = options.onUnresolved;
  }

  /** Ordered, without duplicates; empty for a name that has not resolved yet or is not followed. */
  addressesOf(host: string): readonly string[] {
    return this.#hosts.get(host)?.addresses ?? [];
  }

  /** Follows exactly these names from now on. Names that are new are resolved by the next `refresh`. */
  follow(hosts: ReadonlySet<string>): void {
    for (const host of this.#hosts.keys()) if (!hosts.has(host)) this.#hosts.delete(host);
    for (const host of hosts) {
      if (!this.#hosts.has(host))
        this.#hosts.set(host, { addresses: [], failing: false, pending: undefined });
    }
  }

  /** Resolves all names; settles when the last one has answered. Names that are still being asked are not asked twice. */
  async refresh(): Promise<void> {
    await Promise.all(
      [...this.#hosts].map(([host, state]) => {
        state.pending ??= this.#ask(host, state).finally(() => {
          state.pending = undefined;
        });
        return state.pending;
      }),
    );
  }

  async #ask(host: string, state: HostState): Promise<void> {
    const answer = await this.#answerFor(host);
    if (this.#hosts.get(host) !== state) return;
    if (!Array.isArray(answer)) {
      if (!state.failing) {
        this.#onUnresolved({ host, reason: answer.reason, keptAddresses: state.addresses });
      }
      state.failing = true;
      return;
    }
    state.failing = false;
    if (answer.join() === state.addresses.join()) return;
    state.addresses = answer;
    this.#onChange();
  }

  async #answerFor(host: string): Promise<string[] | { readonly reason: string }> {
    try {
      const addresses = [...new Set(await this.#resolve(host))].sort();
      return addresses.length > 0 ? addresses : { reason: 'the name has no address' };
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
