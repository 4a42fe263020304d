import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What stands behind Envoy where no engine is needed: answers everything with 200 and remembers what it saw. */
export interface Upstream {
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly requests: readonly { readonly url: string; readonly headers: IncomingHttpHeaders }[];
  close(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const requests: { url: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', headers: request.headers });
    request.resume().once('end', () => response.end('{}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    requests,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** An address of this machine where nothing listens. */
export async function closedAddress(): Promise<string> {
  const upstream = await startUpstream();
  await upstream.close();
  return upstream.address;
}
