import { BlockList, isIP } from 'node:net';

/** No engine is there; who can write the pods file, or answer for a host name, may want requests to go there. */
const RESERVED: readonly (readonly [what: string, subnets: readonly (readonly [string, number])[]])[] = [
  [
    'a metadata service',
    [
      ['169.254.169.254', 32],
      ['169.254.170.2', 32],
      ['fd00:ec2::254', 128],
    ],
  ],
  [
    'link-local',
    [
      ['169.254.0.0', 16],
      ['fe80::', 10],
    ],
  ],
  [
    'multicast',
    [
      ['224.0.0.0', 4],
      ['ff00::', 8],
    ],
  ],
  [
    'unspecified: this machine, if any',
    [
      ['0.0.0.0', 8],
      ['::', 128],
    ],
  ],
  ['broadcast', [['255.255.255.255', 32]]],
];

const LISTS = RESERVED.map(([what, subnets]) => {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 4 ? 'ipv4' : 'ipv6');
  return { what, list };
});

/** What an IP address is for, if not for an engine; IPv4 addresses that are written as IPv6 count as what they are. */
export function reservedFor(ip: string): string | undefined {
  const family = isIP(ip) === 4 ? 'ipv4' : 'ipv6';
  return LISTS.find(({ list }) => list.check(ip, family))?.what;
}

/** An address, and whose it is: an entry of the pods file, or a host name. */
export interface OwnedAddress {
  readonly of: string;
  readonly address: string;
}

export interface ReservedAddress extends OwnedAddress {
  /** What the address is for, e.g. `multicast`. */
  readonly what: string;
}

export function reservedAmong(addresses: readonly OwnedAddress[]): ReservedAddress[] {
  return addresses.flatMap(each => {
    const what = reservedFor(each.address);
    return what === undefined ? [] : [{ ...each, what }];
  });
}
