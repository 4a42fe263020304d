/** A list and a watch as requests, neither of which hangs. */
import type { Clock, Sleep } from '../time.ts';
import { type Page, readPage } from './api-object.ts';
import type { KubeClient, Query } from './client.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { type SilenceLimit, silenceLimit } from './silence-limit.ts';
import type { WatchEvent } from './watch-event.ts';

export interface Requests {
  readonly client: Pick<KubeClient, 'get' | 'watch'>;
  readonly path: string;
  /** The selectors. */
  readonly query: Query;
  readonly now: Clock;
  readonly sleep: Sleep;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** For a page of a list, or for a watch to be accepted. */
const ANSWER_MS = 30_000;
/**
 * Bookmarks come about once a minute, but only while the API server hears of progress: of changes of other objects of the kind, or from
 * an etcd that tells of it (kubeadm has it do so every five seconds). Without one a quiet watch is asked for again, which costs one request.
 */
const SILENCE_MS = 90_000;
/** So that the watches of all who were disconnected together do not end together. */
const WATCH_SECONDS = { least: 300, most: 600 } as const;
/**
 * Objects of a page, and of the next try where pages with so many are too long. A page is parsed in one turn of the event loop: 100 pods
 * take 12 ms, the usual 500 take 75 ms, and all pages together as long either way. But whoever may create a pod may make it 1.5 MB long.
 */
export const PAGE_OBJECTS = [100, 25, 5, 1] as const;
/** Parsing takes some 50 ms. A server that ignores how many are asked for may answer more when one is. */
const MAX_PAGE_BYTES = 8 << 20;
/** A list with more pages leads nowhere. */
const MAX_PAGES = 10_000;

/**
 * All pages of a list, as of one moment: that of the first request, and not of what a cache of the API server happens to have. Fails
 * with KubernetesError: `expired` when the API server has forgotten that moment meanwhile, `timeout`, and all of the client's.
 * @param objects of each page
 */
export async function* listPages(
  { client, path, query, ...rest }: Requests,
  objects: (typeof PAGE_OBJECTS)[number],
): AsyncGenerator<Page> {
  const maxBytes = objects === 1 ? undefined : MAX_PAGE_BYTES;
  let token: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const limit = limitOf(rest);
    try {
      const asked = { ...query, limit: objects, continue: token };
      const answer = await client.get(path, asked, limit.signal, maxBytes);
      const page = readPage(answer);
      yield page;
      if (token !== undefined && page.continueToken === token)
        throw new KubernetesError('malformed', `${path}: a list that goes on where it was`);
      token = page.continueToken;
    } catch (error) {
      throw limit.isOver ? late(path) : error;
    } finally {
      limit.clear();
    }
    if (token === undefined) return;
  }
  throw new KubernetesError('malformed', `${path}: a list of more than ${MAX_PAGES} pages`);
}

/**
 * Events of one watch, from `version` on. Ends when the API server ends it, after five to ten minutes if not sooner. Fails with
 * KubernetesError: `timeout` when it is not accepted, or silent for longer than bookmarks let it be.
 */
export async function* watchFrom(version: string, requests: Requests): AsyncGenerator<WatchEvent> {
  const { client, path, query, random, ...rest } = requests;
  const { least, most } = WATCH_SECONDS;
  const asked = {
    ...query,
    resourceVersion: version,
    allowWatchBookmarks: true,
    timeoutSeconds: Math.round(least + random() * (most - least)),
  };
  const limit = limitOf(rest);
  try {
    for await (const event of client.watch(path, asked, limit.signal)) {
      limit.allow(SILENCE_MS);
      yield event;
    }
  } catch (error) {
    throw limit.isOver ? late(path) : error;
  } finally {
    limit.clear();
  }
}

function limitOf({ now, sleep, signal }: Pick<Requests, 'now' | 'sleep' | 'signal'>): SilenceLimit {
  return silenceLimit({ ms: ANSWER_MS, now, sleep, outer: signal });
}

function late(path: string): KubernetesError {
  return new KubernetesError('timeout', `${path}: no answer from the API server in time`);
}
