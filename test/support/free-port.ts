/** Ports for what is named before it listens, listens again after it was killed, or never listens at all. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 12_000;
/** Linux gives these to whoever asks for port 0, and to outgoing connections; see ip(7), ip_local_port_range. */
const FIRST_EPHEMERAL = firstEphemeral();

/** Tests that run at the same time in other processes take theirs elsewhere. */
const LANE = Number(process.env.TEST_LANE ?? 0);
const LANES = 4;
const WIDTH = Math.floor((FIRST_EPHEMERAL - LOWEST) / LANES);
const FIRST = LOWEST + LANE * WIDTH;

let next = FIRST + Math.floor(Math.random() * WIDTH);

/**
 * A port that nothing listens on, and that the system gives to nobody: what asks for port 0 in the meantime, the program's
 * own listeners included, gets another one. Never the same twice in one process.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next++;
    if (next >= FIRST + WIDTH) next = FIRST;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

function firstEphemeral(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t')[0]);
  } catch {
    return 32_768;
  }
}
