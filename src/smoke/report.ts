import type { Observation } from './observation.ts';
import type { SmokeResult } from './smoke.ts';
import type { Verdict } from './verdict.ts';

const HEADLINES: Readonly<Record<Verdict['kind'], string>> = {
  warm: 'WARM',
  cold: 'NOT WARM',
  unseen: 'CANNOT TELL',
};

interface Row {
  readonly name: string;
  /** Undefined: the answer does not tell it. */
  readonly of: (observation: Observation) => string | undefined;
  /** What would show it. */
  readonly shownBy: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'served by',
    of: ({ servedBy }) => servedBy,
    shownBy: 'WARMROUTE_TARGET_HEADERS=warmroute (=aibrix behind AIBrix’s own Envoy)',
  },
  {
    name: 'cached tokens',
    of: ({ cachedTokens, promptTokens }) =>
      cachedTokens === undefined ? undefined : `${cachedTokens} of ${promptTokens ?? '?'}`,
    shownBy: 'vllm serve --enable-prompt-tokens-details, or SGLang’s --enable-cache-report',
  },
  {
    name: 'matched blocks',
    of: ({ decision }) => decision && `${decision.matchedBlocks} of ${decision.totalBlocks}`,
    shownBy: 'WARMROUTE_DEBUG_HEADERS=true',
  },
  { name: 'reason', of: ({ decision }) => decision?.reason, shownBy: 'WARMROUTE_DEBUG_HEADERS=true' },
];

/** All of it in one screen. */
export function smokeReport({ url, model, first, second, verdict }: SmokeResult): string {
  const cells = [
    ['', 'first', 'second'],
    ...ROWS.map(({ name, of }) => [name, of(first) ?? '-', of(second) ?? '-']),
    ['time', `${Math.round(first.ms)} ms`, `${Math.round(second.ms)} ms`],
  ];
  const widths = [0, 1].map(column => Math.max(...cells.map(row => row[column]!.length)));
  const unseen = ROWS.filter(({ of }) => of(second) === undefined);
  return [
    `POST ${url}, model ${model}, two prompts with one prefix that nobody has asked before`,
    '',
    ...cells.map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
    '',
    `${HEADLINES[verdict.kind]}: ${verdict.why}.`,
    ...(unseen.length === 0 ? [] : ['', 'Not seen:']),
    ...unseen.map(({ name, shownBy }) => `  ${name}: shown with ${shownBy}`),
  ].join('\n');
}
