/** What post-processors put before and behind a text when special tokens are added. */
import { fieldOf, type JsonRecord, listOf, recordOf, stringOf } from './json-values.ts';
import { InvalidTokenizer, UnsupportedTokenizer } from './refusals.ts';

export interface AroundText {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: AroundText = { before: [], after: [] };
const MAX_PIECES = 20;

export function readPostProcessor(value: unknown): AroundText {
  if (value === undefined || value === null) return NOTHING;
  const processor = recordOf(value, 'post_processor');
  const type = processor.type;
  switch (type) {
    case 'ByteLevel':
      // Moves offsets alone.
      return NOTHING;
    case 'TemplateProcessing':
      return readTemplate(processor);
    case 'Sequence':
      return listOf(processor.processors, 'post_processor.processors', MAX_PIECES)
        .map(inner => readInner(inner))
        .reduce(
          (around, { before, after }) => ({
            before: [...before, ...around.before],
            after: [...around.after, ...after],
          }),
          NOTHING,
        );
    default:
      throw new UnsupportedTokenizer(`the post-processor ${JSON.stringify(type)?.slice(0, 50)}`);
  }
}

function readInner(value: unknown): AroundText {
  if (recordOf(value, 'post_processor').type === 'Sequence') {
    throw new UnsupportedTokenizer('post_processor: sequences in sequences');
  }
  return readPostProcessor(value);
}

function readTemplate(processor: JsonRecord): AroundText {
  const tokens = recordOf(processor.special_tokens, 'post_processor.special_tokens');
  const pieces = listOf(processor.single, 'post_processor.single', MAX_PIECES).map(piece =>
    readPiece(piece, tokens),
  );
  const at = pieces.indexOf('text');
  if (at < 0 || pieces.lastIndexOf('text') !== at) {
    throw new UnsupportedTokenizer('a post-processor that does not have the text once');
  }
  const idsOf = (some: typeof pieces) => some.flatMap(piece => (piece === 'text' ? [] : piece));
  return { before: idsOf(pieces.slice(0, at)), after: idsOf(pieces.slice(at + 1)) };
}

/** 'text', or the ids of a special token. */
function readPiece(value: unknown, tokens: JsonRecord): 'text' | readonly number[] {
  const piece = recordOf(value, 'post_processor.single');
  const sequence = fieldOf(piece, 'Sequence');
  if (sequence !== undefined) {
    if (recordOf(sequence, 'post_processor.single').id !== 'A') {
      throw new UnsupportedTokenizer('a post-processor with another sequence than A');
    }
    return 'text';
  }
  const special = recordOf(fieldOf(piece, 'SpecialToken'), 'post_processor.single');
  const token = recordOf(fieldOf(tokens, stringOf(special.id, 'post_processor.single')), 'special token');
  const ids = listOf(token.ids, 'post_processor.special_tokens', MAX_PIECES);
  if (!ids.every(id => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31)) {
    throw new InvalidTokenizer('post_processor has an id that is no whole number');
  }
  return ids as number[];
}
