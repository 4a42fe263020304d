import { isIPv6, SocketAddress } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** An IP address in the one form that can be compared: IPv6 shortened, IPv4 inside IPv6 as IPv4. Anything else stays as it is. */
export function canonicalAddress(address: string): string {
  const [plain = ''] = address.split('%', 1);
  if (!isIPv6(plain)) return plain;
  const shortened = new SocketAddress({ address: plain, family: 'ipv6' }).address;
  return MAPPED_IPV4.exec(shortened)?.[1] ?? shortened;
}
