import { loadConfig } from '../config.ts';
import { checkPodsFile, describeProblem } from '../pods/discovery.ts';
import { CommandError } from './command-error.ts';

/** `warmroute check-config`: prints what is in force; throws CommandError with every mistake there is. */
export async function checkConfigCommand(): Promise<void> {
  const loaded = loadConfig();
  const problems = loaded.kind === 'invalid' ? [...loaded.problems] : [];
  const { podsFile } = loaded.kind === 'valid' ? loaded.config : loaded;
  const podsProblem = podsFile === undefined ? undefined : await checkPodsFile(podsFile);
  if (podsProblem) problems.push(describeProblem(podsProblem));
  if (loaded.kind === 'invalid' || problems.length > 0) throw new CommandError(problems);
  const width = Math.max(...loaded.effective.map(({ name }) => name.length));
  for (const { name, value, source } of loaded.effective) {
    console.log(`${name.padEnd(width)}  ${value === '' ? '-' : value}  (${source})`);
  }
  console.log(`${'mode'.padEnd(width)}  ${loaded.config.mode.kind}`);
}
