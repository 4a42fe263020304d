/** One model's tokenizer and templates, loaded: requests → token ids. */
import { setImmediate } from 'node:timers/promises';
import type { KeptChains } from '../domain.ts';
import type { PromptRequest } from '../prompt/request.ts';
import { type ChatRenderer, renderPrompt, type Unrendered } from './rendering/render-prompt.ts';
import { type SegmentCache, type SegmentTree, type Splitter, segmentsIn } from './segments/segment-cache.ts';
import { type TextTokenizer, TokenizingError } from './worker/text-tokenizer.ts';

/** - `failed`: the tokenizer has ended, or refuses the text. */
export type ComputedTokens =
  | {
      readonly kind: 'tokens';
      readonly ids: Uint32Array;
      readonly chains: KeptChains | undefined;
      readonly characters: number;
      /** Of those, how many had to be tokenized. */
      readonly newCharacters: number;
    }
  | { readonly kind: 'none'; readonly why: Unrendered | 'failed' };

/** One part of a prompt that is tokenized by itself. */
export interface ShownSegment {
  readonly text: string;
  readonly ids: Uint32Array;
}

/** Texts that are cut nowhere. */
const WHOLE: Splitter = { endOfBoundary: () => -1 };
/** What one message to the tokenizer holds at most, so that others' texts come in between. */
const BATCH_CHARACTERS = 32 * 1024;

export class ModelTokenizer {
  readonly #tokenizer: TextTokenizer;
  readonly #chat: ChatRenderer | undefined;
  readonly #splitter: Splitter;
  readonly #tree: SegmentTree;
  readonly #closing = new AbortController();
  readonly #onEnded: (why: string) => void;

  /**
   * @param chat undefined: the model's chats are not rendered here
   * @param onEnded the tokenizer has ended by itself, as a text took too long; may be called several times
   */
  constructor(
    tokenizer: TextTokenizer,
    chat: ChatRenderer | undefined,
    cache: SegmentCache,
    onEnded: (why: string) => void,
  ) {
    this.#onEnded = onEnded;
    this.#tokenizer = tokenizer;
    this.#chat = chat;
    this.#splitter = tokenizer.segments === 'independent' ? tokenizer.splitter : WHOLE;
    this.#tree = cache.tree(this.#splitter, texts => encodeInBatches(tokenizer, texts, this.#closing.signal));
  }

  get segments(): TextTokenizer['segments'] {
    return this.#tokenizer.segments;
  }

  /** Never rejects. */
  async tokensOf(prompt: PromptRequest): Promise<ComputedTokens> {
    const rendered = renderPrompt(prompt, this.#chat);
    if (rendered.kind === 'unrendered') return { kind: 'none', why: rendered.why };
    const { text, specialTokens } = rendered;
    try {
      const { ids, chains, newCharacters } = await this.#tree.encode(text);
      // To keep so much, and then to hash it, takes a millisecond or more each: others come in between.
      if (newCharacters > BATCH_CHARACTERS) await setImmediate();
      const counts = { characters: text.length, newCharacters };
      const { before, after } = this.#tokenizer;
      if (specialTokens === 'as_written' || before.length + after.length === 0)
        return { kind: 'tokens', ids, chains, ...counts };
      return { kind: 'tokens', ids: surrounded(before, ids, after), chains: undefined, ...counts };
    } catch (error) {
      const isOver =
        error instanceof TokenizingError && (error.kind === 'too_slow' || error.kind === 'ended');
      if (isOver && !this.#closing.signal.aborted) this.#onEnded(error.message);
      return { kind: 'none', why: 'failed' };
    }
  }

  /** The segments of a prompt, special tokens that the tokenizer adds before and behind among them. Rejects with TokenizingError. */
  async segmentsOf(
    prompt: PromptRequest,
  ): Promise<readonly ShownSegment[] | Extract<ComputedTokens, { readonly kind: 'none' }>> {
    const rendered = renderPrompt(prompt, this.#chat);
    if (rendered.kind === 'unrendered') return { kind: 'none', why: rendered.why };
    const texts = segmentsIn(String(rendered.text), this.#splitter);
    const ids = await this.#tokenizer.encode(texts, this.#closing.signal);
    const segments = texts.map((text, i) => ({ text, ids: ids[i]! }));
    if (rendered.specialTokens === 'as_written') return segments;
    const { before, after } = this.#tokenizer;
    return [{ text: '', ids: before }, ...segments, { text: '', ids: after }].filter(
      each => each.text !== '' || each.ids.length > 0,
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#tree.clear();
    await this.#tokenizer.close();
  }
}

async function encodeInBatches(
  tokenizer: TextTokenizer,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<readonly Uint32Array[]> {
  const lists: Uint32Array[] = [];
  let batch: string[] = [];
  let characters = 0;
  for (const [i, text] of texts.entries()) {
    batch.push(text);
    characters += text.length;
    if (characters < BATCH_CHARACTERS && i < texts.length - 1) continue;
    lists.push(...(await tokenizer.encode(batch, signal)));
    batch = [];
    characters = 0;
  }
  return lists;
}

function surrounded(before: Uint32Array, ids: Uint32Array, after: Uint32Array): Uint32Array {
  const all = new Uint32Array(before.length + ids.length + after.length);
  all.set(before);
  all.set(ids, before.length);
  all.set(after, before.length + ids.length);
  return all;
}
