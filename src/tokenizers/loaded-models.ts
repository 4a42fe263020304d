/** The tokenizers that are loaded: one per model whose files are known, replaced when these change. */
import type { Pod } from '../domain.ts';
import { Slots } from '../slots.ts';
import type { Clock, Sleep } from '../time.ts';
import type { TokenizerFileSource } from './files/file-source.ts';
import { describeChat, describeFilesProblem } from './files/problem.ts';
import type { FilesState, TokenizerFiles } from './files/tokenizer-files.ts';
import { ModelTokenizer } from './model-tokenizer.ts';
import type { ChatTemplate, ChatTemplates } from './rendering/chat-templates.ts';
import { type ChatRenderer, createChatRenderer } from './rendering/render-prompt.ts';
import type { SegmentCache } from './segments/segment-cache.ts';
import type { TextTokenizer } from './worker/text-tokenizer.ts';

/** How long a tokenizer that has ended by itself is left alone: whatever its files make it do may happen again. */
export const RELOAD_AFTER_MS = 10 * 60 * 1000;

export type LoadFact =
  /** `chats`: why they are left to the engine; undefined: they are not. */
  | {
      readonly kind: 'loaded';
      readonly model: string;
      readonly files: TokenizerFiles;
      readonly segments: TextTokenizer['segments'];
      readonly chats: string | undefined;
      readonly tookMs: number;
    }
  /** Its requests are the engine's, and why. */
  | { readonly kind: 'unusable' | 'ended'; readonly model: string; readonly why: string }
  | { readonly kind: 'unloaded'; readonly model: string };

export interface LoadedModelsParts {
  readonly files: TokenizerFileSource;
  /** Rejects with what says why, for operators. */
  readonly start: (files: TokenizerFiles, signal: AbortSignal) => Promise<TextTokenizer>;
  /** Throws what says why. */
  readonly compile: (source: string) => Omit<ChatTemplate, 'source'>;
  readonly cache: SegmentCache;
  readonly onFact: (fact: LoadFact) => void;
  readonly now: Clock;
  readonly sleep: Sleep;
}

/** What is shown of a model. */
export type ModelState =
  | { readonly kind: FilesState['kind'] | 'unusable' | 'ended'; readonly why: string | undefined }
  | {
      readonly kind: 'loaded';
      readonly segments: TextTokenizer['segments'];
      readonly chats: string | undefined;
    };

const LOADING: ModelState = { kind: 'loading', why: undefined };

interface Model {
  /** Of the files that are loaded, or were tried. */
  fingerprint: string | undefined;
  tokenizer: ModelTokenizer | undefined;
  /** Of loading it. */
  readonly abort: AbortController;
  state: ModelState;
}

export class LoadedModels {
  readonly #parts: LoadedModelsParts;
  readonly #models = new Map<string, Model>();
  readonly #closing = new AbortController();
  /** One at a time: each may take a gigabyte for some seconds. */
  readonly #loading = new Slots(1);
  readonly #work = new Set<Promise<unknown>>();
  readonly #stopListening: () => void;

  constructor(parts: LoadedModelsParts) {
    this.#parts = parts;
    this.#stopListening = parts.files.onChange(model => this.#changed(model));
  }

  of(model: string): ModelTokenizer | undefined {
    return this.#models.get(model)?.tokenizer;
  }

  /** Whether somebody says where its tokenizer files are. */
  expects(model: string): boolean {
    return this.#parts.files.of(model).kind !== 'none';
  }

  stateOf(model: string): ModelState {
    const state = this.#models.get(model)?.state;
    if (state !== undefined) return state;
    const files = this.#parts.files.of(model);
    return {
      kind: files.kind,
      why: files.kind === 'broken' ? describeFilesProblem(files.problem) : undefined,
    };
  }

  /** The pods that there are now. */
  retain(pods: readonly Pod[]): void {
    this.#parts.files.retain(pods);
    const served = new Set(pods.map(({ model }) => model));
    for (const model of this.#models.keys()) {
      if (served.has(model)) continue;
      this.#unload(model);
      this.#models.delete(model);
    }
    for (const model of served) this.#changed(model);
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#closing.abort();
    for (const model of this.#models.keys()) this.#unload(model);
    await this.#parts.files.close();
    await Promise.allSettled(this.#work);
  }

  #changed(model: string): void {
    const files = this.#parts.files.of(model);
    const known = this.#models.get(model);
    if (files.kind !== 'ready') {
      if (known !== undefined && files.kind !== 'loading') {
        this.#unload(model);
        this.#models.delete(model);
      }
      return;
    }
    if (known?.fingerprint === files.files.fingerprint || this.#closing.signal.aborted) return;
    this.#unload(model);
    const loading: Model = {
      fingerprint: files.files.fingerprint,
      tokenizer: undefined,
      state: LOADING,
      abort: new AbortController(),
    };
    this.#models.set(model, loading);
    this.#track(this.#load(model, loading, files.files));
  }

  async #load(model: string, loading: Model, files: TokenizerFiles): Promise<void> {
    const { start, cache, onFact, now } = this.#parts;
    const startedAt = now();
    const isCurrent = () => this.#models.get(model) === loading && !this.#closing.signal.aborted;
    const ended = (why: string) => {
      if (!isCurrent()) return;
      this.#unload(model);
      loading.state = { kind: 'ended', why };
      onFact({ kind: 'ended', model, why });
      this.#track(this.#reloadLater(model, loading));
    };
    try {
      const tokenizer = await this.#loading.run(loading.abort.signal, () =>
        start(files, loading.abort.signal),
      );
      if (!isCurrent()) {
        await tokenizer.close();
        return;
      }
      const { renderer, why } = this.#chatRenderer(files);
      const { segments } = tokenizer;
      loading.tokenizer = new ModelTokenizer(tokenizer, renderer, cache, ended);
      loading.state = { kind: 'loaded', segments, chats: why };
      onFact({ kind: 'loaded', model, files, segments, chats: why, tookMs: now() - startedAt });
    } catch (error) {
      if (!isCurrent()) return;
      const why = messageOf(error);
      loading.state = { kind: 'unusable', why };
      onFact({ kind: 'unusable', model, why });
    }
  }

  async #reloadLater(model: string, ended: Model): Promise<void> {
    await this.#parts.sleep(RELOAD_AFTER_MS, this.#closing.signal).catch(() => {});
    if (this.#models.get(model) !== ended || this.#closing.signal.aborted) return;
    this.#models.delete(model);
    this.#changed(model);
  }

  #chatRenderer({ chat, specialTokens }: TokenizerFiles): {
    readonly renderer: ChatRenderer | undefined;
    readonly why: string | undefined;
  } {
    if (chat.kind !== 'template') return { renderer: undefined, why: describeChat(chat) };
    const { compile } = this.#parts;
    try {
      const templates: ChatTemplates = {
        default: { ...compile(chat.default), source: chat.default },
        toolUse: chat.toolUse === undefined ? undefined : { ...compile(chat.toolUse), source: chat.toolUse },
        specialTokens,
      };
      return { renderer: createChatRenderer(templates), why: undefined };
    } catch (error) {
      return { renderer: undefined, why: `its chat template cannot be rendered here: ${messageOf(error)}` };
    }
  }

  #unload(model: string): void {
    const known = this.#models.get(model);
    known?.abort.abort();
    const tokenizer = known?.tokenizer;
    if (known === undefined || tokenizer === undefined) return;
    known.tokenizer = undefined;
    this.#track(tokenizer.close());
    this.#parts.onFact({ kind: 'unloaded', model });
  }

  #track(work: Promise<unknown>): void {
    const done = work.catch(() => {});
    this.#work.add(done);
    void done.finally(() => this.#work.delete(done));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
