import { planDiscovery } from '../composition/discovering.ts';
import { tlsProblem } from '../composition/grpc-ports.ts';
import { loadConfig, unknownNames } from '../config.ts';
import { checkPodsFile } from '../pods/pods-file-follower.ts';
import { describeProblem } from '../pods/problem.ts';
import { CommandError } from './command-error.ts';

/** `warmroute check-config`: prints what is in force; throws CommandError with every mistake there is. */
export async function checkConfigCommand(ending: AbortSignal): Promise<void> {
  const loaded = loadConfig();
  const problems = loaded.kind === 'invalid' ? [...loaded.problems] : [];
  const { podsFile } = loaded.kind === 'valid' ? loaded.config : loaded;
  for (const name of unknownNames()) problems.push(`${name}: there is no such setting`);
  if (loaded.kind === 'valid') {
    const plan = planDiscovery(loaded.config);
    if (plan.kind === 'invalid') problems.push(...plan.problems);
  }
  if (podsFile !== undefined) {
    const podsProblem = await checkPodsFile(podsFile, ending);
    if (podsProblem?.kind === 'reserved_address') console.error(`warmroute: ${describeProblem(podsProblem)}`);
    else if (podsProblem) problems.push(describeProblem(podsProblem));
  }
  const problem = loaded.kind === 'valid' ? await tlsProblem(loaded.config, ending) : undefined;
  if (problem !== undefined) problems.push(problem);
  if (loaded.kind === 'invalid' || problems.length > 0) throw new CommandError(problems);
  const width = Math.max(...loaded.effective.map(({ name }) => name.length));
  for (const { name, value, source } of loaded.effective) {
    console.log(`${name.padEnd(width)}  ${value === '' ? '-' : value}  (${source})`);
  }
  console.log(`${'mode'.padEnd(width)}  ${loaded.config.mode.kind}`);
}
