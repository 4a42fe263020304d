/** Where the tokenizer files of each model are, by what is said of its pods. Pure. */
import { basename, dirname, join } from 'node:path';
import { isTokenizerName, type Pod, type TokenizerPlace } from '../../domain.ts';
import type { FilesProblem } from './tokenizer-files.ts';

export type Place =
  /** What is read there may be behind links, which must not lead out of `root`. */
  | { readonly kind: 'directory'; readonly path: string; readonly root: string }
  /** No pod says it: by the name of the model. */
  | { readonly kind: 'by_name' }
  | { readonly kind: 'unusable'; readonly problem: FilesProblem };

/** @param root the directory below which pods may name others, and models have theirs by name */
export function placesOf(pods: readonly Pod[], root: string | undefined): ReadonlyMap<string, Place> {
  const said = new Map<
    string,
    { readonly pod: string; readonly tokenizer: TokenizerPlace; readonly place: Place }
  >();
  const places = new Map<string, Place>();
  for (const { name, model, tokenizer } of pods) {
    const earlier = said.get(model);
    if (tokenizer === undefined) {
      if (earlier === undefined) places.set(model, { kind: 'by_name' });
    } else if (earlier === undefined) {
      const place = placeOf(tokenizer, name, root);
      said.set(model, { pod: name, tokenizer, place });
      places.set(model, place);
    } else if (!isSame(earlier.tokenizer, tokenizer)) {
      const problem = { kind: 'places_differ', pods: [earlier.pod, name] } as const;
      places.set(model, { kind: 'unusable', problem });
    }
  }
  return places;
}

function placeOf(tokenizer: TokenizerPlace, pod: string, root: string | undefined): Place {
  if (tokenizer.kind === 'directory')
    return { kind: 'directory', path: tokenizer.path, root: ownRoot(tokenizer.path) };
  const { name } = tokenizer;
  return root === undefined
    ? { kind: 'unusable', problem: { kind: 'no_root', pod, name } }
    : { kind: 'directory', path: join(root, name), root };
}

/** Where a model's files are below `root` by its name. */
export function placeByName(model: string, root: string): Place {
  return isTokenizerName(model)
    ? { kind: 'directory', path: join(root, model), root }
    : { kind: 'unusable', problem: { kind: 'no_directory_name', root } };
}

/** In the cache of a model hub's clients the files of a snapshot are links to `blobs` beside `snapshots`. */
export function ownRoot(directory: string): string {
  return basename(dirname(directory)) === 'snapshots' ? dirname(dirname(directory)) : directory;
}

function isSame(a: TokenizerPlace, b: TokenizerPlace): boolean {
  return a.kind === 'directory'
    ? b.kind === 'directory' && a.path === b.path
    : b.kind === 'name' && a.name === b.name;
}
