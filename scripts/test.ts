/**
 * `npm test`: all tests, by as many processes at a time as there are cores, two at least. Each is a mocha of its own that has to end by
 * itself, so that what a test leaves open is found; files are dealt out in chunks, since how long they take differs. What a chunk
 * prints comes when it has ended, and what failed once more at the end. `npm test -- FILE…` runs these alone, in one process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const MOCHA = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url));
/** Enough for the last ones to end at about the same time; each start costs a second. */
const CHUNKS_PER_LANE = 6;
/** Whoever takes so long hangs, or does not end. */
const CHUNK_TIMEOUT_MS = 15 * 60_000;

interface Ended {
  readonly passing: number;
  readonly failing: number;
  readonly pending: number;
  /** What mocha says of failures. */
  readonly failures: string;
  readonly isWell: boolean;
}

const asked = process.argv.slice(2);
process.exitCode = asked.length > 0 ? await alone(asked) : await all();

async function alone(files: readonly string[]): Promise<number> {
  const mocha = spawn(process.execPath, [MOCHA, '--no-color', ...files], { cwd: root, stdio: 'inherit' });
  const [code] = await once(mocha, 'exit');
  return code ?? 1;
}

async function all(): Promise<number> {
  const startedAt = performance.now();
  const lanes = Math.max(2, Math.min(4, availableParallelism()));
  const waiting = dealt(globSync('test/**/*.test.ts', { cwd: root }).sort(), CHUNKS_PER_LANE * lanes);
  const ended: Ended[] = [];
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      for (let files = waiting.shift(); files !== undefined; files = waiting.shift())
        ended.push(await run(files, lane));
    }),
  );
  const sum = (value: (each: Ended) => number) => ended.reduce((total, each) => total + value(each), 0);
  const minutes = Math.round((performance.now() - startedAt) / 60_000);
  const [failing, pending] = [sum(each => each.failing), sum(each => each.pending)];
  console.log(`\n  ${sum(each => each.passing)} passing (${minutes}m)`);
  if (pending > 0) console.log(`  ${pending} pending`);
  if (failing > 0) console.log(`  ${failing} failing\n`);
  for (const { failures } of ended) if (failures !== '') console.log(failures);
  return ended.every(({ isWell }) => isWell) ? 0 : 1;
}

/** Neighbours, which are alike, go to different chunks. */
function dealt(files: readonly string[], count: number): string[][] {
  const chunks = Array.from({ length: count }, (): string[] => []);
  for (const [i, file] of files.entries()) chunks[i % count]!.push(file);
  return chunks.filter(chunk => chunk.length > 0);
}

async function run(files: readonly string[], lane: number): Promise<Ended> {
  const mocha = spawn(process.execPath, [MOCHA, '--no-color', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TEST_LANE: String(lane) },
  });
  const parts: Buffer[] = [];
  for (const stream of [mocha.stdout, mocha.stderr]) stream.on('data', (part: Buffer) => parts.push(part));
  const hanging = setTimeout(() => {
    parts.push(Buffer.from(`\n  1 failing\n\n  these do not end: ${files.join(' ')}\n`));
    mocha.kill('SIGKILL');
  }, CHUNK_TIMEOUT_MS);
  const [code] = await once(mocha, 'close');
  clearTimeout(hanging);
  const text = Buffer.concat(parts).toString();
  process.stdout.write(text);
  const count = (word: string) => Number(new RegExp(`^ +(\\d+) ${word}`, 'm').exec(text)?.[1] ?? 0);
  const failing = count('failing');
  return {
    passing: count('passing'),
    failing: code === 0 ? failing : Math.max(1, failing),
    pending: count('pending'),
    failures: code === 0 ? '' : failuresIn(text),
    isWell: code === 0,
  };
}

function failuresIn(text: string): string {
  const at = text.search(/^ +\d+ failing/m);
  return at < 0 ? text.slice(-4_000) : text.slice(text.indexOf('\n', at));
}
