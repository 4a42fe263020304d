/** Asks and listens to one pod. What is made of it is the checks' affair. */
import { randomInt } from 'node:crypto';
import { createCacheState } from '../../cache/cache-state.ts';
import { endpointOf, type KvPublisher, type Pod, type TokenSpace } from '../../domain.ts';
import { publishersOf } from '../../events/event-feed.ts';
import { RankIngest } from '../../events/ingest/ingest.ts';
import { createWire } from '../../events/wire/sockets.ts';
import type { Trust } from '../../http-client.ts';
import {
  type EngineProfile,
  type Page,
  PROFILE_PAGES,
  readPage,
  readProfile,
} from '../../pods/engine-profile.ts';
import { BlockHasher } from '../../prompt/blocks.ts';
import { createPrefixLookup } from '../../routing/prefix-lookup.ts';
import { type Asked, Asker, jsonOf } from '../asking.ts';
import { engineMetricsFacts } from './engine-metrics-facts.ts';
import type { EventsFacts, PodFacts, PromptFacts, TokensAnswer } from './pod-facts.ts';
import { type CreateTokenizer, PodTokens } from './pod-tokens.ts';
import { commonPrompts, freshPrompts } from './probe-prompt.ts';
import { PromptWatch } from './prompt-watch.ts';
import { RankListener } from './rank-listener.ts';

export interface PodExamination {
  /** Of the engines' HTTP APIs. */
  readonly scheme: 'http' | 'https';
  readonly trust: Trust;
  readonly apiKey: string | undefined;
  readonly events:
    | { readonly kind: 'dial'; readonly topic: string }
    /** `why`, in words. */
    | { readonly kind: 'not_followed'; readonly why: string };
  /** As the router makes it; undefined: tokens are made locally. */
  readonly tokenizer: CreateTokenizer | undefined;
  readonly defaultBlockSizeTokens: Readonly<Record<TokenSpace, number>>;
  readonly prompts: 'send' | 'leave_out';
  readonly timing: PodTiming;
}

/** Milliseconds. */
export interface PodTiming {
  /** One question over HTTP. */
  readonly questionMs: number;
  /** A connection to an event port, or a replay. */
  readonly connectMs: number;
  /** One token of a short prompt, on an engine that may have a queue. */
  readonly generationMs: number;
  /** From an answer to the last of its events. */
  readonly eventsMs: number;
}

export const DEFAULT_TIMING: PodTiming = {
  questionMs: 5_000,
  connectMs: 3_000,
  generationMs: 20_000,
  eventsMs: 3_000,
};

/** A page of metrics with many adapters and buckets. */
const MAX_PAGE_BYTES = 8 << 20;
const INDEX_BYTES = 32 << 20;
const MAX_RANKS_LISTENED = 64;

/** Resolves to what was seen, however little; when `signal` is aborted, to what there was by then. */
export async function examinePod(pod: Pod, how: PodExamination, signal: AbortSignal): Promise<PodFacts> {
  const { scheme, apiKey, trust, timing } = how;
  const stops: (() => unknown)[] = [];
  try {
    const asker = new Asker({
      ...{ base: new URL(`${scheme}://${endpointOf(pod)}`), apiKey, trust, signal },
      ...{ timeoutMs: timing.questionMs, maxAnswerBytes: MAX_PAGE_BYTES },
    });
    stops.push(() => asker.close());
    const pages = await askPages(asker);
    const { health, profile, metrics } = pages;
    const publishers = publishersToFollow(pod, how, profile);
    const watch = startWatch(pod, how, profile, Array.isArray(publishers) ? publishers : []);
    stops.push(() => watch.stop());
    await watch.settled(timing.connectMs, signal);

    const tokens = how.tokenizer && new PodTokens(pod, how.tokenizer);
    stops.push(() => tokens?.close());
    const speaks = health.kind === 'answered';
    const answers: TokensAnswer[] = [];
    if (speaks && tokens !== undefined)
      for (const prompt of commonPrompts(pod.model)) answers.push(await tokens.of(prompt, signal));
    const prompts: PromptFacts[] = [];
    if (!watch.isConnected) {
      // Nothing could be heard.
    } else if (speaks && tokens !== undefined && how.prompts === 'send') {
      for (const prompt of freshPrompts(pod.model, metrics.blockSizeTokens)) {
        const post = () => asker.post(prompt.path, prompt.body, timing.generationMs);
        prompts.push(await watch.send(prompt, await tokens.of(prompt, signal), post, signal));
      }
    } else {
      await watch.heard(signal);
    }
    return {
      ...{ pod, ...pages, hasKey: apiKey !== undefined, prompts },
      events: 'kind' in publishers ? publishers : { kind: 'followed', ranks: await watch.facts(signal) },
      tokens: tokens === undefined ? { kind: 'local' } : { kind: 'asked', answers },
    };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function askPages(asker: Asker): Promise<Pick<PodFacts, 'health' | 'models' | 'profile' | 'metrics'>> {
  const health = await asker.get('/health');
  const get = (path: string) => (health.kind === 'answered' ? asker.get(path) : Promise.resolve(health));
  const [version, models, sources, serverInfo, metrics] = await Promise.all([
    get(PROFILE_PAGES.version),
    get(PROFILE_PAGES.models),
    get(PROFILE_PAGES.sources),
    get(PROFILE_PAGES.serverInfo),
    get('/metrics'),
  ]);
  const profile = readProfile({
    version: pageOf('version', version),
    models: pageOf('models', models),
    sources: pageOf('sources', sources),
    serverInfo: pageOf('serverInfo', serverInfo),
  });
  const text = metrics.kind === 'answered' && metrics.status === 200 ? metrics.text : undefined;
  return { health, models, profile, metrics: engineMetricsFacts(text) };
}

/** Listens to all ranks, and applies what they announce as the router does. */
function startWatch(
  pod: Pod,
  { events, timing, defaultBlockSizeTokens }: PodExamination,
  { models, reuse }: EngineProfile,
  publishers: readonly KvPublisher[],
): PromptWatch {
  const cache = createCacheState({
    ...{ capacityBytes: INDEX_BYTES, historyEntries: 1, historyTtlMs: 1, seed: randomInt(0x1_0000_0000) },
  });
  if (models !== undefined)
    cache.catalog.setServed(pod.name, { adapters: models.adapters, baseNames: models.names });
  cache.catalog.setReuse(pod.name, reuse);
  const hasher = new BlockHasher(randomInt(0x1_0000_0000));
  const lookup = createPrefixLookup({
    ...{ cache, source: 'engines', hasher, defaultBlockSizeTokens },
    maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
  });
  // Listeners catch what goes wrong with a message of theirs.
  const wire = createWire(() => {});
  const topic = events.kind === 'dial' ? events.topic : '';
  const listeners = publishers.slice(0, MAX_RANKS_LISTENED).flatMap(({ rank, port, replayPort }) => {
    if (port === undefined) return [];
    const publisher = { rank, port, replayPort };
    const ingest = new RankIngest({ pod: pod.name, rank, model: pod.model, cache, hasher });
    const onNews = () => watch.ring();
    return new RankListener({
      ...{ pod, publisher, topic, wire, ingest, onNews, replayMs: timing.connectMs },
    });
  });
  const watch = new PromptWatch({ pod, lookup, listeners, eventsMs: timing.eventsMs });
  return watch;
}

/** Or why there are none. */
function publishersToFollow(
  pod: Pod,
  { events }: PodExamination,
  profile: EngineProfile,
): readonly KvPublisher[] | Exclude<EventsFacts, { kind: 'followed' }> {
  if (events.kind === 'not_followed') return events;
  switch (pod.kvEvents.kind) {
    case 'none':
      return { kind: 'nowhere', why: 'unconfigured' };
    case 'zmq':
      return publishersOf(pod);
    case 'auto':
      if (profile.events === undefined) return { kind: 'nowhere', why: 'unknown' };
      return profile.events.kind === 'off' ? { kind: 'nowhere', why: 'off' } : profile.events.publishers;
  }
}

function pageOf(what: keyof typeof PROFILE_PAGES, asked: Asked): Page {
  return asked.kind === 'answered'
    ? readPage(what, { status: asked.status, body: jsonOf(asked) })
    : undefined;
}
