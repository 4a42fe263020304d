/** What settings that are `host:port` lead to. */
import { hostOf } from '../domain.ts';
import type { Setting } from '../settings/settings.ts';

export function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

/** Where a client on the same host finds what listens at `address` by HTTP; undefined: any free port was taken. */
export function ownUrl(address: string): URL | undefined {
  const { host, port } = hostAndPort(address);
  return port === 0 ? undefined : new URL(`http://${hostOf(OWN_ADDRESS[host] ?? host)}:${port}`);
}

/** Of the addresses that mean all of a host's. */
const OWN_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** A port that is taken is the operator's to free: the message says which setting chose it. */
export function binding<T>({ names }: Pick<Setting<unknown>, 'names'>, starting: Promise<T>): Promise<T> {
  return starting.catch((error: Error) => {
    throw new Error(`cannot listen on ${names[0]}: ${error.message}`, { cause: error });
  });
}
