/**
 * What one request costs the server: its CPU time per ext_proc stream over loopback, headers and body each answered, in turns
 * with a bare grpc-js server, and with a peer's where its starting program is given. Prints one line of JSON.
 *
 *   node bench/read-path/extproc.ts --body 4000 [--rounds 5] [--streams 2000] [--peer PROGRAM]
 */
import { parseArgs } from 'node:util';
import { requestBody, requestHeaders } from '../../test/support/envoy-messages.ts';
import { FakeEnvoy } from '../../test/support/fake-envoy.ts';
import { ForkedServer, PeerServer } from '../support/servers.ts';
import { median } from '../support/stats.ts';
import { bodyOf, WARM_POD } from './extproc-request.ts';

const { values } = parseArgs({
  options: {
    body: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '5' },
    streams: { type: 'string', default: '2000' },
    peer: { type: 'string' },
  },
});
const STREAMS_AT_ONCE = 8;
const WARM_UP_ROUNDS = 6;
const body = bodyOf(Number(values.body));
const streams = Number(values.streams);

const servers = new Map<string, ForkedServer | PeerServer>([
  ['warmroute', await ForkedServer.start(new URL('./warmroute-server.ts', import.meta.url))],
  ['bare', await ForkedServer.start(new URL('./bare-server.ts', import.meta.url))],
]);
if (values.peer !== undefined)
  servers.set('peer', await PeerServer.start(values.peer, `127.0.0.1:${WARM_POD}`));

const rounds = new Map<string, number[]>();
for (let round = -WARM_UP_ROUNDS; round < Number(values.rounds); round++) {
  for (const [name, server] of servers) {
    const spent = await load(server);
    if (round >= 0) rounds.set(name, [...(rounds.get(name) ?? []), spent]);
  }
}
for (const server of servers.values()) await server.stop();
const cpu = Object.fromEntries([...rounds].map(([name, spent]) => [name, median(spent)]));
console.log(JSON.stringify({ bodyBytes: body.length, streams, microsecondsPerStream: cpu }));

/** One round. Microseconds of the server's CPU time per stream. */
async function load(server: ForkedServer | PeerServer): Promise<number> {
  const envoy = new FakeEnvoy(server.port);
  const before = await server.cpuMicroseconds();
  let left = streams;
  await Promise.all(
    Array.from({ length: STREAMS_AT_ONCE }, async () => {
      while (left-- > 0) await oneRequest(envoy);
    }),
  );
  const spent = (await server.cpuMicroseconds()) - before;
  envoy.close();
  return spent / streams;
}

async function oneRequest(envoy: FakeEnvoy): Promise<void> {
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
