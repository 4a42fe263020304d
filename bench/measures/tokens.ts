/** Exact tokens in process: from the bodies of requests to the hashes of their blocks. */
import { TOKENIZERS } from '../../src/settings/tokenizers.ts';
import { atMost, type Bench, type Measure, type Row, ratioTo } from '../support/measure.ts';
import { onOneProcessor, runOwn } from '../support/programs.ts';

interface Times {
  readonly p50: number;
  readonly p99: number;
}

type Size = '2600' | '31000';

/** A measure of a model's tokenizer, where its files are given. */
function ofTokenizer(name: string, run: (directory: string, bench: Bench) => Promise<Row[]>): Measure {
  return {
    name,
    async run(bench) {
      if (bench.tokenizer !== undefined) return run(bench.tokenizer, bench);
      process.stdout.write(
        'SKIPPED: needs a directory with tokenizer.json and a chat template (--tokenizer) ',
      );
      return [];
    },
  };
}

const VLLM = 'vLLM’s render';

const turn = ofTokenizer('tokens-turn', async (directory, bench) => {
  const own = await runOwn<Times & Record<'requests' | 'least' | 'most' | 'newTokens', number>>(
    'tokens/turn.ts',
    ['--tokenizer', directory],
  );
  const asked = await askVllm(directory, bench);
  const workload = `next turns of ${own.newTokens.toFixed(0)} tokens of 150 conversations of ${own.least} to ${own.most} tokens with 12 tools, ${own.requests} requests, from body to block hashes`;
  const row = (what: keyof Times, most: number): Row => ({
    ...{ name: `tokens-turn ${what}`, value: own[what] / 1_000, unit: 'ms', reach: atMost(most), workload },
    ratio: ratioTo(VLLM, own[what] / 1_000, asked?.['31000'][what]),
  });
  return [row('p50', 1), row('p99', 3), ...(await renderings(directory, bench))];
});

type Cold = Record<
  Size,
  Times & {
    readonly tokens: number;
    readonly requests: number;
    readonly blocked: { readonly p50: number; readonly max: number };
    /** Requests during which garbage was collected, and the longest collection. */
    readonly collected: { readonly requests: number; readonly max: number };
    readonly idle: number;
  }
>;

const cold = ofTokenizer('tokens-cold', async (directory, bench) => {
  const own = await runOwn<Cold>('tokens/cold.ts', ['--tokenizer', directory]);
  const asked = await askVllm(directory, bench);
  const rows = (['2600', '31000'] as const).flatMap(size => {
    const { tokens, requests, blocked, collected, idle } = own[size];
    const name = `tokens-cold-${size}`;
    const workload = `chats of ${tokens.toFixed(0)} tokens, all of them new, ${requests} requests, from body to block hashes`;
    const row = (what: keyof Times, reach: Row['reach']): Row => ({
      ...{ name: `${name} ${what}`, value: own[size][what], unit: 'ms', reach, workload },
      ratio: ratioTo(VLLM, own[size][what], asked?.[size][what]),
    });
    const stopped = `longest time between two turns of a timer of 1 ms, which is in it, of the requests during which no garbage was collected; ${workload}`;
    return [
      row('p50', atMost(size === '2600' ? 4 : 45)),
      row('p99', undefined),
      {
        ...{ name: `${name} blocked p50`, value: blocked.p50, unit: 'ms', reach: undefined },
        ...{ ratio: undefined, workload: stopped },
      },
      {
        ...{ name: `${name} blocked max`, value: blocked.max, unit: 'ms', reach: atMost(5) },
        ...{ ratio: ratioTo('an idle process', blocked.max, idle), workload: stopped },
      },
      {
        ...{ name: `${name} collections max`, value: collected.max, unit: 'ms', reach: undefined },
        ...{
          ratio: undefined,
          workload: `garbage was collected during ${collected.requests} of them; ${workload}`,
        },
      },
    ];
  });
  return [...rows, ...(await tokenizings(directory, bench))];
});

interface Mix extends Times {
  readonly requests: number;
  readonly cpuPercent: number;
  readonly waitedPercent: number;
  readonly hitShare: number;
  readonly mostBytes: number;
  readonly countedBytes: number;
  readonly usedBytes: number;
}

/** Of `WARMROUTE_TOKENIZER_SEGMENTS_BYTES`: its default, and less than 500 conversations take. */
const BOUNDS = [
  {
    name: 'tokens-mix',
    bytes: Number(TOKENIZERS.tokenizerSegmentsBytes.fallback),
    seconds: 30,
    p99: atMost(10),
  },
  { name: 'tokens-mix evicting', bytes: 83_886_080, seconds: 10, p99: undefined },
] as const;

const mix = ofTokenizer('tokens-mix', async directory => {
  const launcher = await onOneProcessor();
  const rows: Row[] = [];
  for (const { name, bytes, seconds, p99 } of BOUNDS) {
    const args = ['--tokenizer', directory, '--bytes', String(bytes), '--seconds', String(seconds)];
    const own = await runOwn<Mix>('tokens/mix.ts', args, { launcher: launcher ?? [] });
    const where = launcher === undefined ? 'not held on one processor' : 'one processor';
    const workload = `500 conversations of 2,600 to 31,000 tokens, 50 requests/s for ${seconds} s at random moments, one in 25 begins a conversation; ${where}; bound of ${bytes} bytes`;
    const row = (what: string, value: number, unit: string, reach?: Row['reach'], ratio?: Row['ratio']) => ({
      ...{ name: `${name} ${what}`, value, unit, workload, reach, ratio },
    });
    rows.push(
      row('p50', own.p50, 'ms'),
      row('p99', own.p99, 'ms', p99),
      row('kept', own.mostBytes / 1e6, 'MB, as counted', atMost(bytes / 1e6)),
      row(
        'memory',
        own.usedBytes / 1e6,
        'MB freed at the end',
        atMost(bytes / 1e6),
        ratioTo('as counted', own.usedBytes, own.countedBytes),
      ),
      row('hits', 100 * own.hitShare, '% of characters'),
      row('CPU', own.cpuPercent, '% of one core'),
      row('waiting', own.waitedPercent, '% of the time, for a core'),
    );
  }
  return rows;
});

const extprocChat = ofTokenizer('extproc-chat-31k', async directory => {
  const { microsecondsPerStream: spent, ...own } = await runOwn<{
    readonly microsecondsPerStream: { readonly auto: number; readonly engine: number };
    readonly least: number;
    readonly most: number;
    readonly bytes: number;
  }>('tokens/extproc-chat.ts', ['--tokenizer', directory]);
  const workload = `next turns of 40 conversations of ${own.least} to ${own.most} tokens, bodies of some ${own.bytes} bytes over loopback, 8 at a time, server CPU per stream, median of 7 rounds`;
  return [
    {
      ...{ name: 'extproc-chat-31k', value: spent.auto, unit: 'µs CPU', reach: undefined, workload },
      ratio: ratioTo('WARMROUTE_TOKENIZER=engine', spent.auto, spent.engine),
    },
  ];
});

export const tokens: readonly Measure[] = [turn, cold, mix, extprocChat];

/** Of those that are measured: one vLLM, and the libraries once. */
const answers = new Map<string, Promise<unknown>>();

function once<T>(file: string, args: readonly string[]): Promise<T> {
  const known = answers.get(file) ?? runOwn<T>(file, args);
  answers.set(file, known);
  return known as Promise<T>;
}

async function askVllm(directory: string, { vllm }: Bench): Promise<Record<Size, Times> | undefined> {
  if (vllm === undefined) return undefined;
  return once('tokens/vllm.ts', ['--tokenizer', directory, '--url', vllm.url, '--model', vllm.model]);
}

type Compared = Record<Size, Record<'own' | 'js' | 'rust', Times>> & {
  readonly rendering: Record<'own' | 'interpreter', Times>;
};

async function beside(directory: string, { libraries }: Bench): Promise<Compared | undefined> {
  if (libraries === undefined) return undefined;
  return once('tokens/libraries.ts', ['--tokenizer', directory, '--libraries', libraries]);
}

async function renderings(directory: string, bench: Bench): Promise<Row[]> {
  const compared = await beside(directory, bench);
  if (compared === undefined) return [];
  const { own, interpreter } = compared.rendering;
  return [
    {
      ...{ name: 'tokens-turn rendering', value: own.p50, unit: 'ms p50', reach: undefined },
      ratio: ratioTo('@huggingface/jinja’s interpreter', own.p50, interpreter.p50),
      workload: 'the chat template, of a conversation of 31,000 tokens with 12 tools',
    },
  ];
}

async function tokenizings(directory: string, bench: Bench): Promise<Row[]> {
  const compared = await beside(directory, bench);
  if (compared === undefined) return [];
  return (['2600', '31000'] as const).flatMap(size =>
    (['js', 'rust'] as const).map(library => {
      const { own, [library]: other } = compared[size];
      return {
        ...{ name: `tokens-cold-${size} text`, value: own.p50, unit: 'ms p50', reach: undefined },
        ratio: ratioTo(LIBRARIES[library], own.p50, other.p50),
        workload: `the rendered texts of tokens-cold-${size} alone, in turns, each whole`,
      };
    }),
  );
}

const LIBRARIES = { js: '@huggingface/tokenizers', rust: '@anush008/tokenizers' } as const;
