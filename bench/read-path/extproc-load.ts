import { requestBody, requestHeaders } from '../../test/support/envoy-messages.ts';
import { FakeEnvoy } from '../../test/support/fake-envoy.ts';
import type { ForkedServer, PeerServer } from '../support/servers.ts';

const STREAMS_AT_ONCE = 8;

export interface Load {
  readonly path: string;
  /** One stream each. */
  readonly bodies: readonly Buffer[];
  /** Ports of those that they may be sent to. */
  readonly pods: readonly number[];
}

/** One round. Microseconds of the server's CPU time per stream. */
export async function cpuPerStream(
  server: ForkedServer | PeerServer,
  { path, bodies, pods }: Load,
): Promise<number> {
  const envoy = new FakeEnvoy(server.port);
  const before = await server.cpuMicroseconds();
  const left = bodies.values();
  const expected = pods.map(port => `127.0.0.1:${port}`);
  await Promise.all(
    Array.from({ length: STREAMS_AT_ONCE }, async () => {
      for (const body of left) await oneRequest(envoy, path, body, expected);
    }),
  );
  const spent = (await server.cpuMicroseconds()) - before;
  envoy.close();
  return spent / bodies.length;
}

async function oneRequest(
  envoy: FakeEnvoy,
  path: string,
  body: Buffer,
  expected: readonly string[],
): Promise<void> {
  const stream = envoy.open();
  const headers = {
    ':path': path,
    'x-request-id': 'bench',
    'content-length': String(body.length),
  };
  stream.send(requestHeaders({ headers, config: { request_body_mode: 'BUFFERED' } }));
  await stream.reply();
  const reply = await stream.send(requestBody(body, 'end')).reply();
  const set = reply.request_body?.response?.header_mutation?.set_headers ?? [];
  const target = set.find(({ header }) => header?.key === 'target-pod')?.header?.raw_value?.toString();
  if (target === undefined || !expected.includes(target))
    throw new Error(`sent to ${target}, not to ${expected}`);
  await stream.halfClose();
}
