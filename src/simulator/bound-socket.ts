import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Publisher, Router, XPublisher } from 'zeromq';

/** libzmq closes its listeners on a thread of its own, within milliseconds. */
const RELEASE_TIMEOUT_MS = 2_000;

/**
 * Closes a bound socket and waits until its port can be bound again. Not by `unbind`: followed by `close` while peers are
 * connected it makes libzmq 4.3.5 abort the process (assertion on `_state` in pipe.cpp), once in a while.
 */
export async function closeBound(socket: Publisher | Router | XPublisher): Promise<void> {
  const endpoint = socket.lastEndpoint;
  socket.close();
  if (endpoint === null) return;
  const { hostname, port } = new URL(endpoint);
  const deadline = performance.now() + RELEASE_TIMEOUT_MS;
  while (!(await canBind(hostname, Number(port))) && performance.now() < deadline) await delay(2);
}

async function canBind(host: string, port: number): Promise<boolean> {
  // A subscriber that is about to connect again must not keep the port.
  const server = createServer(connection => connection.destroy());
  try {
    server.listen({ host: host.replace(/^\[|\]$/g, ''), port, exclusive: true });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
