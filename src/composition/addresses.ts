/** What settings that are `host:port` lead to. */
import type { Setting } from '../settings/settings.ts';

export function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

/** A port that is taken is the operator's to free: the message says which setting chose it. */
export function binding<T>({ names }: Pick<Setting<unknown>, 'names'>, starting: Promise<T>): Promise<T> {
  return starting.catch((error: Error) => {
    throw new Error(`cannot listen on ${names[0]}: ${error.message}`, { cause: error });
  });
}
