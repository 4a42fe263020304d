/** Where models' tokenizer files come from: one source for all models that are served. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../domain.ts';
import { realSleep, type Sleep } from '../../time.ts';
import { FileWork } from './file-work.ts';
import { FollowedModel, type Located } from './followed-model.ts';
import { type Place, placeByName, placesOf } from './places.ts';
import { type FilesState, TOKENIZER } from './tokenizer-files.ts';

export interface TokenizerFileSource {
  /** Of a base model, whose files its LoRA adapters use. Cheap: asked for each request. */
  of(model: string): FilesState;
  /** All pods that there are: their models are followed from now on, and no others. */
  retain(pods: readonly Pod[]): void;
  /** What is called when `of` says something else of a model. Returns the way to unsubscribe. */
  onChange(listener: (model: string) => void): () => void;
  /** Afterwards no timer, watcher or connection is left, and nobody is called. */
  close(): Promise<void>;
}

/** What is downloaded. */
export interface Downloads {
  /** What the watch of a model's files looks at. */
  watchedOf(model: string): string;
  /** Where the model's files are now. Starts to download what is not there; `onProgress` says when to ask again. */
  locate(model: string, signal: AbortSignal): Promise<Located>;
  onProgress(listener: (model: string) => void): void;
  /** The model is not served any more: nothing more is downloaded of it. */
  forget(model: string): void;
  close(): Promise<void>;
}

/** Reported once, when it begins. */
export type FilesFact =
  | { readonly kind: 'ready'; readonly model: string; readonly state: Extract<FilesState, { kind: 'ready' }> }
  | {
      readonly kind: 'broken';
      readonly model: string;
      readonly state: Extract<FilesState, { kind: 'broken' }>;
    };

export interface FileSourceOptions {
  /** Below which pods may name directories, and models have theirs by name. */
  readonly directory: string | undefined;
  /** undefined: nothing is downloaded. */
  readonly downloads: Downloads | undefined;
  readonly onFact: (fact: FilesFact) => void;
  /** Default 5 s. Most changes are seen at once; this is for those that a directory watch misses. */
  readonly pollEveryMs?: number;
  /** Default 500. A change counts once two looks this far apart agree. */
  readonly settleMs?: number;
  /** Of one look, and of reading one model's files. Default 20 s. */
  readonly timeoutMs?: number;
  readonly sleep?: Sleep;
}

interface Followed {
  readonly place: Place;
  readonly model: FollowedModel | undefined;
  readonly state: () => FilesState;
}

const NONE: FilesState = { kind: 'none' };

export function createFileSource(options: FileSourceOptions): TokenizerFileSource {
  const { directory: root, downloads, onFact } = options;
  const { pollEveryMs = 5_000, settleMs = 500, timeoutMs = 20_000, sleep = realSleep } = options;
  const work = new FileWork(timeoutMs);
  const followed = new Map<string, Followed>();
  const listeners = new Set<(model: string) => void>();
  const leaving = new Set<Promise<void>>();
  let isClosed = false;
  downloads?.onProgress(model => void followed.get(model)?.model?.check());

  function tell(model: string, state: FilesState): void {
    if (isClosed) return;
    if (state.kind === 'ready') onFact({ kind: 'ready', model, state });
    if (state.kind === 'broken') onFact({ kind: 'broken', model, state });
    for (const listener of [...listeners]) listener(model);
  }

  function follow(model: string, place: Place): Followed {
    const plan = planOf(model, place);
    if (plan.kind === 'fixed') return { place, model: undefined, state: () => plan.state };
    const files: FollowedModel = new FollowedModel({
      ...{ model, work, pollEveryMs, settleMs, sleep },
      watched: plan.watched,
      locate: plan.locate,
      onState: state => {
        if (followed.get(model)?.model === files) tell(model, state);
      },
    });
    return { place, model: files, state: () => files.state };
  }

  type Plan =
    | { readonly kind: 'fixed'; readonly state: FilesState }
    | {
        readonly kind: 'followed';
        readonly watched: string;
        readonly locate: (signal: AbortSignal) => Promise<Located>;
      };

  function planOf(model: string, place: Place): Plan {
    if (place.kind === 'unusable')
      return { kind: 'fixed', state: { kind: 'broken', problem: place.problem } };
    if (place.kind === 'directory') return planAt(place);
    const byName = root === undefined ? undefined : placeByName(model, root);
    if (downloads === undefined)
      return byName === undefined ? { kind: 'fixed', state: NONE } : planOf(model, byName);
    if (byName?.kind !== 'directory') {
      const watched = downloads.watchedOf(model);
      return { kind: 'followed', watched, locate: signal => downloads.locate(model, signal) };
    }
    // A directory goes first, also one that comes later.
    const { watched, locate } = planAt(byName);
    return {
      kind: 'followed',
      watched,
      locate: async signal => ((await exists(byName.path)) ? locate() : downloads.locate(model, signal)),
    };
  }

  function forget(model: string, { model: files }: Followed): void {
    followed.delete(model);
    downloads?.forget(model);
    if (files === undefined) return;
    const left = files.stop().finally(() => leaving.delete(left));
    leaving.add(left);
  }

  return {
    of: model => followed.get(model)?.state() ?? NONE,
    retain(pods) {
      if (isClosed) return;
      const places = placesOf(pods, root);
      for (const [model, known] of followed)
        if (!isDeepStrictEqual(places.get(model), known.place)) forget(model, known);
      for (const [model, place] of places) {
        if (followed.has(model)) continue;
        const known = follow(model, place);
        followed.set(model, known);
        tell(model, known.state());
      }
    },
    onChange(listener) {
      const own = (model: string) => listener(model);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    async close() {
      isClosed = true;
      for (const [model, known] of followed) forget(model, known);
      await Promise.all([...leaving, downloads?.close()]);
    },
  };
}

function planAt({ path, root }: Extract<Place, { kind: 'directory' }>) {
  return {
    kind: 'followed',
    watched: join(path, TOKENIZER),
    locate: () => Promise.resolve<Located>({ kind: 'at', directory: path, root }),
  } as const;
}

async function exists(directory: string): Promise<boolean> {
  return stat(directory).then(
    stats => stats.isDirectory(),
    () => false,
  );
}
