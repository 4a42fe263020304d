import { BlockList, isIP } from 'node:net';

/** Also knows IPv4 addresses in IPv6 form: `::ffff:127.0.0.1` is how a dual-stack socket shows a local client. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an address, without brackets, is this host's own and of nobody else. */
export function isLoopback(address: string | undefined): boolean {
  const family = isIP(address ?? '');
  return family !== 0 && LOOPBACK.check(address!, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Whether a request is from this host, and meant for it: a web page may have its own name resolve to 127.0.0.1 and have the
 * operator's browser ask there, but the browser then names the page's host.
 * @param host the Host header
 */
export function isLocalRequest(remoteAddress: string | undefined, host: string | undefined): boolean {
  if (!isLoopback(remoteAddress)) return false;
  if (host === undefined) return true;
  const name = nameOf(host);
  return name.toLowerCase() === 'localhost' || isLoopback(name);
}

/** A Host header without its port, and without the brackets of an IPv6 address. */
export function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
}
