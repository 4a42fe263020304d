import type { Command } from 'commander';
import type { History } from '../history/history.ts';
import { readHistory } from '../history/read-history.ts';
import { overview, type Section, sectionsOf } from '../history/sections.ts';
import { printable } from '../printable.ts';
import { jsonOf } from '../simulation/report/results.ts';
import { textTable } from '../simulation/report/table.ts';
import { CommandError } from './command-error.ts';
import { whole } from './number-values.ts';

interface HistoryFlags {
  readonly model?: string;
  readonly top: number;
  readonly json: boolean;
  readonly out?: string;
}

type Print = (text: string) => void;

const HELP = `
Files are recordings of a router (WARMROUTE_RECORD_FILE, docs/record.md), rotated ones among them, or other traces in Mooncake's format.

Example:
  warmroute history recording.jsonl recording.jsonl.1 --out result`;

/** Adds `warmroute history`: what recorded traffic was like, and how it was routed. */
export function addHistoryCommand(
  program: Command,
  ending: AbortSignal,
  print: Print = text => process.stdout.write(text),
  note: Print = text => process.stderr.write(text),
): void {
  program
    .command('history')
    .description(
      'What recorded traffic was like: cache hits, reuse over time, hot prefixes, balance, first bytes, model by model',
    )
    .argument('<files...>', 'recordings, or traces')
    .option('--model <name>', 'only the requests of this model')
    .option('--top <n>', 'hot prefixes of each model', whole(0, 10_000), 10)
    .option('--json', 'print JSON', false)
    .option('--out <dir>', 'write numbers (JSON), plots (SVG) and a page into this folder')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], { model, top, json, out }: HistoryFlags) => {
      const onNote = (text: string) => note(`warmroute: ${printable(text)}\n`);
      const history = await readHistory(files, { model, top, onNote, signal: ending });
      if (history.models.length === 0)
        throw new CommandError(['the files have no requests, or none of this model']);
      print(json ? jsonOf(history) : textOf(history));
      for (const { model, forgottenBlocks } of history.models)
        if (forgottenBlocks > 0)
          onNote(
            `${model}: ${forgottenBlocks} blocks that were used longest ago were forgotten, as there are too many; what of them was used again later does not count as reachable`,
          );
      if (out === undefined) return;
      // Nobody else needs what plots are made with.
      const { writeHistory } = await import('../history/output.ts');
      const paths = await writeHistory(out, history);
      if (!json) print(`\nWritten: ${paths.join(', ')}\n`);
    });
}

function textOf(history: History): string {
  const models = history.models.map(
    model => `\n${[`# ${model.model}`, ...sectionsOf(model).map(text)].join('\n\n')}`,
  );
  return `${[textTable(overview(history).rows), ...models].join('')}\n`;
}

function text({ title, rows }: Section): string {
  return `${title}\n\n${textTable(rows).trimEnd()}`;
}
