import { loadConfig, unknownNames } from '../config.ts';
import { createLogger } from '../ops/log.ts';
import { DiscoveryError } from '../pods/discovery.ts';
import { serve } from '../serve.ts';
import { SETTINGS } from '../settings.ts';
import { CommandError } from './command-error.ts';
import { untilTerminated } from './signals.ts';

export const PODS_FILE_MISSING = `${SETTINGS.podsFile.names[0]} is not set: give it the path of the pods file`;

/** `warmroute serve`: runs until SIGTERM or SIGINT, then drains. */
export async function serveCommand(): Promise<void> {
  const loaded = loadConfig();
  if (loaded.kind === 'invalid') throw new CommandError(loaded.problems);
  const { config } = loaded;
  const { podsFile } = config;
  if (podsFile === undefined) {
    throw new CommandError([PODS_FILE_MISSING]);
  }
  const log = createLogger({ level: config.logLevel });
  for (const name of unknownNames()) log.warn({ name }, 'there is no such setting: is it misspelt?');
  const server = await serve({ ...config, podsFile }, { log }).catch((error: unknown) => {
    throw error instanceof DiscoveryError ? new CommandError([error.message]) : error;
  });
  const terminated = untilTerminated();
  log.info({ grpcPort: server.grpcPort, adminPort: server.adminPort, mode: config.mode.kind }, 'ready');
  const signal = await terminated;
  log.info({ signal, drainMs: config.drainMs }, 'draining');
  await server.stop();
  log.info({}, 'stopped');
}
