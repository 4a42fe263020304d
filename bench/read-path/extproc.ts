/**
 * What one request costs the server: its CPU time per ext_proc stream over loopback, headers and body each answered, in turns
 * with a bare grpc-js server, and with a peer's where its starting program is given. Prints one line of JSON.
 *
 *   node bench/read-path/extproc.ts --body 4000 [--rounds 5] [--streams 2000] [--peer PROGRAM]
 */
import { parseArgs } from 'node:util';
import { ForkedServer, PeerServer } from '../support/servers.ts';
import { median } from '../support/stats.ts';
import { cpuPerStream } from './extproc-load.ts';
import { bodyOf, WARM_POD } from './extproc-request.ts';

const { values } = parseArgs({
  options: {
    body: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '5' },
    streams: { type: 'string', default: '2000' },
    peer: { type: 'string' },
  },
});
const WARM_UP_ROUNDS = 6;
const body = bodyOf(Number(values.body));
const streams = Number(values.streams);
const load = { path: '/v1/completions', bodies: Array<Buffer>(streams).fill(body), pods: [WARM_POD] };

const servers = new Map<string, ForkedServer | PeerServer>([
  ['warmroute', await ForkedServer.start(new URL('./warmroute-server.ts', import.meta.url))],
  ['bare', await ForkedServer.start(new URL('./bare-server.ts', import.meta.url))],
]);
if (values.peer !== undefined)
  servers.set('peer', await PeerServer.start(values.peer, `127.0.0.1:${WARM_POD}`));

const rounds = new Map<string, number[]>();
for (let round = -WARM_UP_ROUNDS; round < Number(values.rounds); round++) {
  for (const [name, server] of servers) {
    const spent = await cpuPerStream(server, load);
    if (round >= 0) rounds.set(name, [...(rounds.get(name) ?? []), spent]);
  }
}
for (const server of servers.values()) await server.stop();
const cpu = Object.fromEntries([...rounds].map(([name, spent]) => [name, median(spent)]));
console.log(JSON.stringify({ bodyBytes: body.length, streams, microsecondsPerStream: cpu }));
