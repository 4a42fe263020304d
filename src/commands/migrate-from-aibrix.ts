import type { Command } from 'commander';
import type { KubeObject } from '../migration/kube-object.ts';
import { readManifestsAside } from '../migration/manifests-aside.ts';
import { migrate } from '../migration/migrate.ts';
import { migrationReport } from '../migration/report.ts';
import { BoundedReader } from '../pods/bounded-read.ts';
import { CommandError } from './command-error.ts';

const MAX_INPUT_BYTES = 32 << 20;
/** Of one file. */
const READ_TIMEOUT_MS = 30_000;
const STDIN = '-';

const EXAMPLE = `
Example:
  kubectl -n aibrix-system get deployments,services,clienttrafficpolicies,envoyextensionpolicies,envoypatchpolicies -o yaml >aibrix.yaml
  kubectl get deployments,modeladapters -A -l model.aibrix.ai/name -o yaml >engines.yaml
  warmroute migrate-from-aibrix aibrix.yaml engines.yaml >values.yaml`;

/** Adds `warmroute migrate-from-aibrix`: the chart's values for what AIBrix has deployed, and what will differ. */
export function addMigrateCommand(program: Command, ending: AbortSignal): void {
  program
    .command('migrate-from-aibrix')
    .description('Print the values of Warmroute’s chart for a deployment of AIBrix, and all that will differ')
    .argument('[files...]', 'its manifests, as `kubectl get -o yaml` prints them; - for standard input', [
      STDIN,
    ])
    .addHelpText('after', EXAMPLE)
    .action((files: readonly string[]) => runMigrate(files, ending));
}

async function runMigrate(files: readonly string[], ending: AbortSignal): Promise<void> {
  const objects: KubeObject[] = [];
  const problems: string[] = [];
  for (const file of files) {
    const name = file === STDIN ? 'standard input' : file;
    const text = file === STDIN ? await readStdin(ending) : await readFile(file, ending);
    const read = await readManifestsAside(text, ending);
    objects.push(...read.objects);
    problems.push(...read.problems.map(({ place, reason }) => `${name}: ${place} ${reason}`));
  }
  if (problems.length > 0) throw new CommandError(problems);
  const migrated = migrate(objects);
  if (migrated.kind === 'problem') {
    throw new CommandError([`${migrated.problem.place}: ${migrated.problem.reason}`]);
  }
  process.stdout.write(migrationReport(migrated.migration));
}

async function readFile(path: string, ending: AbortSignal): Promise<string> {
  const reader = new BoundedReader({ maxBytes: MAX_INPUT_BYTES, timeoutMs: READ_TIMEOUT_MS });
  const content = await reader.read(path, ending);
  if (content.kind === 'unreadable') throw new CommandError([`${path} cannot be read: ${content.reason}`]);
  return content.text;
}

async function readStdin(ending: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  const stop = () => process.stdin.destroy();
  ending.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_INPUT_BYTES) {
        throw new CommandError([`standard input is longer than ${MAX_INPUT_BYTES} bytes`]);
      }
      chunks.push(chunk);
    }
  } finally {
    ending.removeEventListener('abort', stop);
  }
  ending.throwIfAborted();
  return Buffer.concat(chunks).toString('utf8');
}
