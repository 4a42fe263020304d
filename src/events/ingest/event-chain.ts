import type { BlockChain, BlockForm, BlockHash } from '../../domain.ts';
import { type BlockExtras, type BlockHasher, extraOf, NO_EXTRAS } from '../../prompt/blocks.ts';
import type { StoredEvent } from '../decoding/decoding.ts';

export interface ChainOptions {
  /** The pod's base model: the context of events without a LoRA name. */
  readonly model: string;
  /** The one that the read path hashes with. */
  readonly hasher: BlockHasher;
}

/**
 * The blocks of an event as the read path hashes a prompt's.
 * @param parent our hash of the block that they follow; undefined for the first ones of a prompt
 * @returns the blocks, and the model or adapter that they are of
 */
export function chainOf(
  event: StoredEvent,
  parent: BlockHash | undefined,
  options: ChainOptions,
): { readonly chain: BlockChain; readonly model: string } {
  const { tokenIds, blockSizeTokens, lookahead } = event;
  const { hasher } = options;
  const { model, salt, extras } = contextOf(event, options.model);
  // The context is of use for a prompt's first blocks only: those that follow have it in their parent's hash.
  const before = parent ?? hasher.root({ space: 'engine', model, salt }, formOf(event));
  return { chain: hasher.chain(before, tokenIds, blockSizeTokens, extras, lookahead), model };
}

export function formOf({ blockSizeTokens, lookahead }: StoredEvent): BlockForm {
  return { sizeTokens: blockSizeTokens, lookaheadTokens: lookahead.tokens };
}

/**
 * The namespace of an event's blocks. Its extra keys hold the LoRA name again, then multimodal identifiers, then, in a
 * prompt's first block only, the salt; only the identifiers belong to a block, the others to the whole chain.
 */
function contextOf({ loraName, salt: said, extraKeys, parent }: StoredEvent, baseModel: string) {
  const model = loraName ?? baseModel;
  let salt = said ?? '';
  if (extraKeys.every(keys => keys === undefined)) return { model, salt, extras: NO_EXTRAS };
  const extras: BlockExtras = extraKeys.map((keys, position) => {
    const own = [...(keys ?? [])];
    const [first] = own;
    // The first one only: a salt may have the adapter's name.
    if (first?.kind === 'text' && first.text === loraName) own.shift();
    const last = own.at(-1);
    if (position === 0 && parent === undefined && last?.kind === 'text') {
      salt = last.text;
      own.pop();
    }
    return extraOf(own.map(key => (key.kind === 'text' ? `text ${JSON.stringify(key.text)}` : key.json)));
  });
  return { model, salt, extras };
}
