import { hostname, networkInterfaces } from 'node:os';
import type { SubjectNames } from './self-signed.ts';

/** What may be in a certificate as a DNS name. */
const DNS_NAME = /^[A-Za-z0-9.-]+$/;
/** A machine with containers has an address for each of them. */
const MAX_ADDRESSES = 16;

/** Whom this process may be dialled as: by itself, by its host name, and by its addresses; in a pod that is the pod's. */
export function ownNames(host = hostname(), interfaces = networkInterfaces()): SubjectNames {
  const addresses = Object.values(interfaces)
    .flatMap(each => each ?? [])
    .filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0)
    .map(({ address }) => address)
    .slice(0, MAX_ADDRESSES);
  return ['localhost', ...(DNS_NAME.test(host) ? [host] : []), '127.0.0.1', '::1', ...addresses];
}
