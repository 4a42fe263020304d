/** A decision for a terminal of a hundred columns. */
import { printable } from '../printable.ts';
import type { CandidateRecord, DecisionRecord } from './record.ts';

const COLUMNS = 100;
const MIN_WIDTH = 20;
const MAX_NAME = 28;
const MAX_PROMPT = 3 * COLUMNS;

export function decisionTable(record: DecisionRecord): string {
  const { policy } = record;
  return [
    ...wrapped(headline(record), ''),
    '',
    ...facts(record).flatMap(([name, text]) => wrapped(text, name.padEnd(10))),
    ...(record.candidates.length > 0 ? ['', 'Candidates, best first:', ...candidateRows(record)] : []),
    '',
    'Policy:',
    ...policy.flatMap((step, i) =>
      wrapped(printable(step), `  ${i + 1}. `.padEnd(policy.length > 9 ? 6 : 5)),
    ),
    '',
    ...wrapped(times(record), ''),
  ]
    .map(line => printable(line))
    .join('\n');
}

function headline({ path, model, ...record }: DecisionRecord): string {
  const what = `${path === 'other' ? 'another path' : path}, ${model === null ? 'no model' : `model ${printable(model, 80)}`}`;
  switch (record.outcome) {
    case 'routed':
      if (record.reason === 'cancelled') return `${what}: nobody waited for a pod, cancelled`;
      return `${what}: routed to ${name(record.pod ?? '?')}, ${record.reason}`;
    case 'rejected':
      return `${what}: rejected, ${record.error}`;
    case 'undecided':
      return `${what}: no pod is picked`;
    case 'passed':
      return `${what}: passed on to Envoy’s routes`;
  }
}

function facts(record: DecisionRecord): [name: string, text: string][] {
  const { traceId, strategy, retries, served, prompt } = record;
  const rows: [string, string | undefined][] = [
    [
      'request',
      `${printable(record.id, 80)}, ${record.at}${traceId === undefined ? '' : `, trace ${traceId}`}`,
    ],
    [
      'to',
      record.endpoint === undefined
        ? undefined
        : `${record.endpoint}${record.rank === undefined ? '' : `, rank ${record.rank}`}`,
    ],
    ['strategy', strategy && printable(strategy, 200)],
    ['prompt', promptFact(record)],
    ['next', retries?.map(name).join(', ')],
    [
      'served',
      served &&
        `${served.status || 'answered'} by ${name(served.pod)}, answer began after ${served.answeredMs} ms`,
    ],
    ['text', prompt === undefined ? undefined : printable(prompt, MAX_PROMPT)],
  ];
  return rows.flatMap(([each, text]) => (text === undefined ? [] : [[each, text]]));
}

function promptFact({
  tokens,
  blockSizeTokens,
  totalBlocks = 0,
  matchedBlocks = 0,
  offGpu,
  withoutTokens,
}: DecisionRecord): string | undefined {
  if (withoutTokens !== undefined) return `without tokens: ${withoutTokens}`;
  if (tokens === undefined) return undefined;
  const { cpu = 0, storage = 0 } = offGpu ?? {};
  const off = cpu + storage === 0 ? '' : `, ${cpu} of them on the CPU, ${storage} in storage`;
  const blocks =
    blockSizeTokens === undefined
      ? ''
      : `, ${matchedBlocks} of ${totalBlocks} blocks of ${blockSizeTokens} matched${off}`;
  return `${tokens} tokens${blocks}`;
}

function candidateRows(record: DecisionRecord): string[] {
  const { candidates, candidatesLeftOut, pod } = record;
  const head = ['', 'pod', 'health', 'in flight', 'blocks', 'cpu+disk', 'score', 'why'];
  const rows = [head, ...candidates.map(each => candidateCells(each, pod))];
  const widths = head.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const lines = rows.flatMap(row => {
    const cells = row.map((cell, column) =>
      NUMBERS.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    );
    return wrapped(row.at(-1)!, `${cells.slice(0, -1).join('  ')}  `);
  });
  return candidatesLeftOut === 0 ? lines : [...lines, `   and ${candidatesLeftOut} more`];
}

/** Columns whose cells stand at the right. */
const NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 6]);

function candidateCells(candidate: CandidateRecord, winner: string | undefined): string[] {
  const { pod, health, running, matchedBlocks, totalBlocks, cpu, storage, score } = candidate;
  return [
    pod === winner ? '>' : '',
    name(pod),
    health,
    String(running),
    totalBlocks === 0 ? '-' : `${matchedBlocks}/${totalBlocks}`,
    cpu + storage === 0 ? '-' : `${cpu}+${storage}`,
    score === null ? '-' : String(score),
    candidate.verdict,
  ];
}

function times({ stages, tookMicroseconds }: DecisionRecord): string {
  const each = stages.map(
    ({ stage, microseconds }) => `${stage === 'hash' ? 'of that hash' : stage} ${microseconds}`,
  );
  return `Took ${tookMicroseconds} µs${each.length === 0 ? '' : `: ${each.join(', ')}`}`;
}

function name(text: string): string {
  return printable(text, MAX_NAME);
}

/** Lines of at most a hundred columns, the first after `label`, the others below its text. */
function wrapped(text: string, label: string): string[] {
  const width = Math.max(MIN_WIDTH, COLUMNS - label.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap(each => piecesOf(each, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each, i) => (i === 0 ? label : ' '.repeat(label.length)) + each);
}

function piecesOf(word: string, length: number): string[] {
  const pieces: string[] = [];
  for (let start = 0; start === 0 || start < word.length; start += length)
    pieces.push(word.slice(start, start + length));
  return pieces;
}
