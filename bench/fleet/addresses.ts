/** Where the engines of the fleet are: all on this machine, each on a loopback address of its own. */
import { MODEL } from '../read-path/extproc-request.ts';

export const EVENTS_PORT = 5_557;
export const REPLAY_PORT = 5_558;
export const HTTP_PORT = 8_479;
export const BLOCK_SIZE_TOKENS = 16;

export function addressOf(generation: number, index: number): string {
  return `127.${1 + generation}.${index >> 8}.${index & 255}`;
}

/** A pods file. */
export function podsOf(generation: number, count: number): string {
  const pods = Array.from({ length: count }, (_, index) => ({
    name: `engine-${generation}-${index}`,
    address: addressOf(generation, index),
    port: HTTP_PORT,
    model: MODEL,
    kvEvents: { port: EVENTS_PORT, replayPort: REPLAY_PORT },
  }));
  return JSON.stringify({ pods });
}
