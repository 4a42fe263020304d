import { requestBody, requestHeaders } from '../../test/support/envoy-messages.ts';
import { FakeEnvoy } from '../../test/support/fake-envoy.ts';
import type { ForkedServer, PeerServer } from '../support/servers.ts';
import { WARM_POD } from './extproc-request.ts';

const STREAMS_AT_ONCE = 8;

/** One round. Microseconds of the server's CPU time per stream. */
export async function cpuPerStream(
  server: ForkedServer | PeerServer,
  body: Buffer,
  streams: number,
): Promise<number> {
  const envoy = new FakeEnvoy(server.port);
  const before = await server.cpuMicroseconds();
  let left = streams;
  await Promise.all(
    Array.from({ length: STREAMS_AT_ONCE }, async () => {
      while (left-- > 0) await oneRequest(envoy, body);
    }),
  );
  const spent = (await server.cpuMicroseconds()) - before;
  envoy.close();
  return spent / streams;
}

async function oneRequest(envoy: FakeEnvoy, body: Buffer): Promise<void> {
  const stream = envoy.open();
  const headers = {
    ':path': '/v1/completions',
    'x-request-id': 'bench',
    'content-length': String(body.length),
  };
  stream.send(requestHeaders({ headers, config: { request_body_mode: 'BUFFERED' } }));
  await stream.reply();
  const reply = await stream.send(requestBody(body, 'end')).reply();
  const set = reply.request_body?.response?.header_mutation?.set_headers ?? [];
  const target = set.find(({ header }) => header?.key === 'target-pod')?.header?.raw_value?.toString();
  if (target !== `127.0.0.1:${WARM_POD}`) throw new Error(`sent to ${target}, not to the warm pod`);
  await stream.halfClose();
}
