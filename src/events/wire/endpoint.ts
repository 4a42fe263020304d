const ENDPOINT = /^tcp:\/\/(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5}|\*)$/;

/** ZeroMQ's way to write an address: `tcp://host:port`, an IPv6 host in brackets; port 0 for `*`. Throws on any other form. */
export function endpointParts(endpoint: string): { readonly host: string; readonly port: number } {
  const [, ipv6, name, port] = ENDPOINT.exec(endpoint) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) > 65535)
    throw new Error(`${endpoint} is not of the form tcp://host:port`);
  return { host, port: port === '*' ? 0 : Number(port) };
}
