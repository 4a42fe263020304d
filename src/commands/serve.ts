import { planDiscovery } from '../composition/discovering.ts';
import { type Config, loadConfig, namesWithoutEffect, unknownNames } from '../config.ts';
import { KubernetesError } from '../kubernetes/kubernetes.ts';
import { createStdoutLogger, type Logger } from '../ops/log/log.ts';
import type { LogOutput } from '../ops/log/log-output.ts';
import { PodsFileError } from '../pods/pods-file-follower.ts';
import { serve } from '../serve.ts';
import { VERSION } from '../version.ts';
import { CommandError } from './command-error.ts';
import { untilAborted } from './signals.ts';

/** How long the end waits for the last lines of the log. */
const LAST_LINES_MS = 1_000;

/** `warmroute serve`: runs until SIGTERM or SIGINT, then drains. One that comes while it starts ends the start. */
export async function serveCommand(ending: AbortSignal): Promise<void> {
  const loaded = loadConfig();
  if (loaded.kind === 'invalid') throw new CommandError(loaded.problems);
  const { config } = loaded;
  const plan = planDiscovery(config);
  if (plan.kind === 'invalid') throw new CommandError(plan.problems);
  const { log, output } = createStdoutLogger(config.logLevel);
  process.once('uncaughtExceptionMonitor', error => log.error({ err: error }, 'unexpected error: the end'));
  try {
    await run(config, log, output, ending);
  } finally {
    await output.flush(LAST_LINES_MS);
  }
}

async function run(config: Config, log: Logger, output: LogOutput, ending: AbortSignal): Promise<void> {
  for (const name of unknownNames()) log.warn({ name }, 'there is no such setting: is it misspelt?');
  const ineffective = namesWithoutEffect();
  if (ineffective.length > 0)
    log.warn(
      { variables: ineffective.map(({ name, why }) => `${name}: ${why}`) },
      'settings of AIBrix that change nothing here',
    );
  const parts = { log, logLinesDropped: () => output.dropped, ending };
  const server = await serve(config, parts).catch((error: unknown) => {
    if (ending.aborted && error === ending.reason) return undefined;
    throw error instanceof PodsFileError || error instanceof KubernetesError
      ? new CommandError([error.message])
      : error;
  });
  if (server === undefined) {
    log.info({ signal: ending.reason }, 'stopped before it was ready');
    return;
  }
  const { grpcPort, healthPort, adminPort } = server;
  log.info(
    { version: VERSION, grpcPort, healthPort, adminPort, mode: config.mode.kind, tls: config.tls },
    'ready',
  );
  const signal = await untilAborted(ending);
  log.info({ signal, drainMs: config.drainMs }, 'draining');
  await server.stop();
  log.info({}, 'stopped');
}
