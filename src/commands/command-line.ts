import { Command } from 'commander';
import { VERSION } from '../version.ts';
import { checkConfigCommand } from './check-config.ts';
import { CommandError } from './command-error.ts';
import { addDoctorCommand } from './doctor.ts';
import { endSoon } from './end-process.ts';
import { addEngineCommand } from './engine.ts';
import { addExplainCommand } from './explain.ts';
import { addHistoryCommand } from './history.ts';
import { addMigrateCommand } from './migrate-from-aibrix.ts';
import { serveCommand } from './serve.ts';
import { settingsHelp } from './settings-help.ts';
import { addSimulateCommand } from './simulate.ts';
import { addSmokeCommand } from './smoke.ts';
import { addTokensCommand } from './tokens.ts';

/** Runs what the command line says. `ending` is aborted when the process gets a signal to end. */
export async function runCommandLine(ending: AbortSignal): Promise<void> {
  const program = new Command('warmroute')
    .description(
      'Routes every LLM request to the engine pod whose KV cache already holds its prefix (Envoy external processor).',
    )
    .version(VERSION);
  program
    .command('serve')
    .description('Run the external processor; configured by environment variables')
    .addHelpText('after', settingsHelp)
    .action(() => serveCommand(ending));
  program
    .command('check-config')
    .description('Print the configuration in force, or every mistake in it')
    .addHelpText('after', settingsHelp)
    .action(() => checkConfigCommand(ending));
  addEngineCommand(program, ending);
  addSmokeCommand(program, ending);
  addDoctorCommand(program, ending);
  addExplainCommand(program, ending);
  addTokensCommand(program, ending);
  addMigrateCommand(program, ending);
  addSimulateCommand(program, ending);
  addHistoryCommand(program, ending);

  try {
    await program.parseAsync();
    endSoon(0);
  } catch (error) {
    const problems = ending.aborted
      ? [`ended by ${ending.reason} before it was done`]
      : error instanceof CommandError
        ? error.problems
        : [error instanceof Error ? error.message : String(error)];
    for (const problem of problems) console.error(`warmroute: ${problem}`);
    endSoon(error instanceof CommandError ? error.exitCode : 1);
  }
}
