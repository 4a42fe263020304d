import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { Command } from 'commander';
import { addSimulateCommand } from '../../src/commands/simulate.ts';
import { runCli } from '../support/cli.ts';

describe('warmroute simulate', () => {
  let folder: string;
  let trace: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'simulate-'));
    trace = join(folder, 'trace.jsonl');
    const lines = Array.from({ length: 20 }, (_, i) =>
      JSON.stringify({ timestamp: 100 * i, input_length: 1_500, output_length: 5, hash_ids: [1, 2, 10 + i] }),
    );
    await writeFile(trace, lines.join('\n'));
  });
  after(() => rm(folder, { recursive: true }));

  it('prints a table, policy by policy and seed by seed, and writes what it found', async () => {
    const out = join(folder, 'out');
    const stdout = await outputOf([
      ...[
        trace,
        'gen:bursts',
        '--minutes',
        '0.05',
        '--pods',
        '2',
        '--capacity',
        '64k,1M',
        '--speeds',
        '1,0.5',
      ],
      ...['--policies', 'prefix-cache:2+least-request, round-robin', '--seed', '1,2'],
      ...['--prefill-rate', '20000', '--out', out],
    ]);
    assert.include(stdout, '2, with 64000, 1000000 tokens of KV cache');
    assert.include(stdout, '0.05 ms a prompt token');
    const rows = stdout.split('\n').filter(line => line.startsWith('| '));
    assert.deepEqual(
      rows.slice(2).map(row =>
        row
          .split('|')
          .slice(1, 3)
          .map(cell => cell.trim()),
      ),
      [
        ['prefix-cache:2+least-request', '1'],
        ['prefix-cache:2+least-request', '2'],
        ['round-robin', '1'],
        ['round-robin', '2'],
      ],
    );
    assert.include(await readdir(out), 'index.html');
  });

  it('is a command of the program', async () => {
    const { stdout, stderr, code } = await runCli(['simulate', trace, '--pods', '2', '--policies', 'random']);
    assert.deepEqual([stderr, code], ['', 0]);
    assert.include(stdout, '| random |');
  });

  it('prints JSON alone where it is asked for, the same each time', async () => {
    const zones = ['--zones', '3', '--zone-penalty', '5', '--zone-latency', '2'];
    const args = [trace, '--policies', 'prefix-cost', ...zones, '--json'];
    const [one, again] = [await outputOf(args), await outputOf(args)];
    assert.equal(one, again);
    const { setup, runs } = JSON.parse(one);
    assert.deepEqual(
      [setup.pods, setup.capacityTokens, runs.length, runs[0].requests],
      [8, [512_000], 1, 20],
    );
    assert.deepEqual(setup.zones, { count: 3, penaltyMs: 5, latencyMs: 2 });
  });

  const REFUSED: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /missing required argument 'traces'/],
    [['gen:nothing'], /must be a file or one of gen:agents, gen:tenants, gen:rag, gen:bursts/],
    [['gen:rag', '--policies', 'best'], /policy best: best is none of prefix-cost, prefix-cache/],
    [['gen:rag', '--capacity', '5m'], /must be a whole number/],
    [['gen:rag', '--pods', '0'], /must be a whole number from 1/],
    [['gen:rag', '--load', 'high'], /must be a number from 0.001/],
    [['/nowhere.jsonl'], /cannot be read: ENOENT/],
    [['/dev/null'], /the traces have no requests/],
  ];
  it('refuses what it cannot play, and says why', async () => {
    for (const [args, message] of REFUSED) {
      const error = await outputOf(args).catch((reason: Error) => reason);
      assert.match(
        error instanceof Error ? String(error.message || ('problems' in error && error.problems)) : error,
        message,
      );
    }
  });
});

/** In this process: starting one takes longer than what is tested. */
async function outputOf(args: readonly string[]): Promise<string> {
  let printed = '';
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSimulateCommand(program, new AbortController().signal, text => {
    printed += text;
  });
  await program.parseAsync(['simulate', ...args], { from: 'user' });
  return printed;
}
