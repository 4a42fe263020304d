#!/usr/bin/env node
import { Command } from 'commander';
import { checkConfigCommand } from './commands/check-config.ts';
import { CommandError } from './commands/command-error.ts';
import { addEngineCommand } from './commands/engine.ts';
import { serveCommand } from './commands/serve.ts';
import { settingsHelp } from './commands/settings-help.ts';

const program = new Command('warmroute').description(
  'Routes every LLM request to the engine pod whose KV cache already holds its prefix (Envoy external processor).',
);
program
  .command('serve')
  .description('Run the external processor; configured by environment variables')
  .addHelpText('after', settingsHelp)
  .action(serveCommand);
program
  .command('check-config')
  .description('Print the configuration in force, or every mistake in it')
  .addHelpText('after', settingsHelp)
  .action(checkConfigCommand);
addEngineCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  const problems =
    error instanceof CommandError ? error.problems : [error instanceof Error ? error.message : String(error)];
  for (const problem of problems) console.error(`warmroute: ${problem}`);
  process.exitCode = 1;
}
