/** A request's tokens for a terminal of a hundred columns. */
import { printable } from '../printable.ts';
import type { ShownSegment } from '../tokenizers/model-tokenizer.ts';
import type { Comparison } from '../tokenizers/parity/comparison.ts';

export interface TokenTable {
  readonly model: string;
  readonly path: string;
  readonly segments: readonly ShownSegment[];
  readonly cut: 'independent' | 'whole';
  readonly blockSizeTokens: number;
  /** undefined: no engine was asked. */
  readonly comparison: Comparison | undefined;
}

/** Longer prompts are shown by their beginning and their end. */
const MAX_ROWS = 60;
const TEXT_COLUMNS = 62;
const HEADER = '  segment  tokens    from   block  text';

export function tokenTable(table: TokenTable): string {
  const { model, path, segments, cut, blockSizeTokens, comparison } = table;
  const total = segments.reduce((sum, { ids }) => sum + ids.length, 0);
  const starts: number[] = [];
  segments.reduce((from, { ids }) => {
    starts.push(from);
    return from + ids.length;
  }, 0);
  const rows = segments.map(({ text, ids }, i) => {
    const from = starts[i]!;
    const block = Math.floor(from / blockSizeTokens);
    const cells = [
      String(i + 1).padStart(9),
      String(ids.length).padStart(8),
      String(from).padStart(8),
      String(block).padStart(8),
    ];
    return `${cells.join('')}  ${excerpt(text)}`;
  });
  const shown =
    rows.length <= MAX_ROWS
      ? rows
      : [...rows.slice(0, MAX_ROWS / 2), '        …', ...rows.slice(-MAX_ROWS / 2)];
  return [
    `${path}, model ${printable(model, 80)}: ${total} tokens, ${Math.floor(total / blockSizeTokens)} full blocks of ${blockSizeTokens}`,
    cut === 'independent'
      ? `${segments.length} segments: of a prompt that begins alike only those that differ are tokenized`
      : 'texts of this tokenizer may not be cut: each prompt is tokenized whole',
    '',
    HEADER,
    ...shown,
    ...(comparison === undefined ? [] : ['', ...told(comparison, table, starts)]),
  ].join('\n');
}

function excerpt(text: string): string {
  return text === '' ? '(added by the tokenizer)' : printable(JSON.stringify(text), TEXT_COLUMNS);
}

function told(comparison: Comparison, { segments }: TokenTable, starts: readonly number[]): string[] {
  switch (comparison.kind) {
    case 'equal':
      return ['The engine’s tokens are the same.'];
    case 'unanswered':
      return [];
    case 'different': {
      const { position, ours, engines } = comparison;
      const at = starts.findLastIndex(from => from <= position);
      const segment = segments[at];
      return [
        `The first difference is at token ${position}: ${ours ?? 'none, the prompt has ended'} here, ${engines ?? 'none, the prompt has ended'} at the engine;`,
        `that is token ${position - starts[at]!} of segment ${at + 1}, ${excerpt(segment?.text ?? '')}`,
      ];
    }
  }
}
