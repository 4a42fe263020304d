/** What is done about each engine, from when its pod joins to when it leaves. */
import type { CacheState } from '../cache/cache-state.ts';
import { endpointOf, type KvPublisher, type Pod } from '../domain.ts';
import { PortWatch, type PortWatchOptions, type WatchedPort } from '../engine-api/port-watch.ts';
import { type EventFeed, type FeedFact, type PublisherReport, publishersOf } from '../events/event-feed.ts';
import {
  clearScopeOf,
  type EngineLimit,
  type EngineProfile,
  limitsOf,
  PROFILE_PAGES,
} from '../pods/engine-profile.ts';
import { EngineProfiles } from '../pods/engine-profiles.ts';
import { KEPT_RESPONSES_PATH, keptResponsesQuestion, saysNoneKept } from '../pods/kept-responses.ts';
import { createEngineHttp, type EngineAccess, type EngineHttp } from '../prompt/engine/http.ts';
import { Slots } from '../slots.ts';
import { realSleep } from '../time.ts';

/** Of one page. An engine that is busy with a long prompt may take this long for anything. */
const PAGE_TIMEOUT_MS = 5_000;
const MAX_PAGE_BYTES = 1024 * 1024;
/** From one question to the next: adapters come and go while an engine runs. */
const REFRESH_MS = 60_000;
const RETRY_MS = 1_000;
/** Engines that are asked at once. */
const MAX_ASKED = 16;
/** A list of a thousand names helps nobody. */
const MAX_NAMES_IN_LOG = 20;

/** Where it is said what engines are, and cannot do. */
export type EnginesLog = Readonly<
  Record<'info' | 'warn' | 'error', (fields: Readonly<Record<string, unknown>>, message: string) => void>
>;

export interface EnginesParts {
  readonly cache: CacheState;
  readonly feed: EventFeed;
  /** Whether the feed connects to the engines, or they to it. */
  readonly dials: boolean;
  /** Of their HTTP APIs. */
  readonly scheme: 'http' | 'https';
  readonly access: EngineAccess;
  readonly log: EnginesLog;
  readonly onPort: PortWatchOptions['onChange'];
}

export interface EngineReport {
  readonly version: string | undefined;
  readonly limits: readonly EngineLimit['what'][];
}

/** Follows the events of engines, and asks them what they are. */
export class Engines {
  readonly #parts: EnginesParts;
  readonly #http: EngineHttp;
  readonly #profiles: EngineProfiles;
  readonly #ports: PortWatch;
  /** By pod: what was said of its engine already, and, of an `auto` pod, the publishers that are followed. */
  readonly #known = new Map<string, { readonly pod: Pod; said: string; publishers: string }>();

  /** Pods that were said to be not followed. */
  #unfollowed = 0;

  constructor(parts: EnginesParts) {
    this.#parts = parts;
    this.#http = createEngineHttp({
      maxConnectionsPerPod: Object.keys(PROFILE_PAGES).length,
      maxResponseBytes: MAX_PAGE_BYTES,
      access: parts.access,
    });
    this.#ports = new PortWatch({ onChange: parts.onPort });
    this.#profiles = new EngineProfiles({
      get: (pod, path, signal) => this.#http.getJson(`${parts.scheme}://${endpointOf(pod)}${path}`, signal),
      timeoutMs: PAGE_TIMEOUT_MS,
      refreshMs: REFRESH_MS,
      retryMs: RETRY_MS,
      sleep: realSleep,
      slots: new Slots(MAX_ASKED),
      onProfile: (pod, profile) => this.#onProfile(pod, profile),
    });
  }

  joined(pod: Pod): void {
    if (pod.kvEvents.kind === 'none') return;
    this.#known.set(pod.name, { pod, said: '', publishers: '' });
    this.#follow(pod, publishersOf(pod));
    this.#profiles.follow(pod);
  }

  /** What it held is the caller's to purge. */
  left(pod: Pod): void {
    this.#known.delete(pod.name);
    this.#ports.leave(pod.name);
    void this.#profiles.leave(pod.name);
    void this.#parts.feed.leave(pod.name);
  }

  /** After all that joined and left: says whose events cannot be followed. */
  changed(): void {
    const { feed, log } = this.#parts;
    const { unfollowed, maxPublishers } = feed;
    if (unfollowed.length === this.#unfollowed) return;
    this.#unfollowed = unfollowed.length;
    if (unfollowed.length === 0) log.info({ maxPublishers }, 'the events of all pods are followed again');
    else
      log.error(
        { unfollowed: unfollowed.length, pods: unfollowed.slice(0, MAX_NAMES_IN_LOG), maxPublishers },
        'more event publishers than open files allow: nothing is known of what these pods hold, and they are routed to by load; raise the limit of open files (ulimit -n)',
      );
  }

  /** Whether the engine says that it keeps no responses of `/v1/responses`. Never rejects; false where it says anything else. */
  async keepsNoResponses(pod: Pod): Promise<boolean> {
    const url = `${this.#parts.scheme}://${endpointOf(pod)}${KEPT_RESPONSES_PATH}`;
    const asked = this.#http.postJson(
      url,
      keptResponsesQuestion(pod.model),
      AbortSignal.timeout(PAGE_TIMEOUT_MS),
    );
    return asked.then(saysNoneKept, () => false);
  }

  /** Its cache is empty, whatever it has said. */
  emptied(pod: Pod): void {
    const { history, holders, index } = this.#parts.cache;
    history.forget(pod.name);
    for (const holder of holders.of(pod.name)) index.clear(holder);
  }

  /**
   * A new connection, or a new sequence, may be a new process. Where an engine says itself where it publishes, that may be
   * another port after a connection was lost.
   */
  hear(fact: FeedFact): void {
    const isAsked = this.#known.get(fact.pod)?.pod.kvEvents.kind === 'auto';
    const mayBeNew =
      fact.kind === 'link'
        ? fact.event === 'connected' || (isAsked && fact.event === 'lost')
        : fact.kind === 'forgotten' && fact.why === 'restart';
    if (mayBeNew) this.#profiles.restarted(fact.pod);
    if (fact.kind === 'link' && fact.event === 'lost') this.#ports.recheck(fact.pod);
  }

  /** Whether some pod has not said yet where it publishes. */
  get isAsking(): boolean {
    for (const { pod, publishers } of this.#known.values())
      if (pod.kvEvents.kind === 'auto' && publishers === '' && this.#profiles.of(pod.name) === undefined)
        return true;
    return false;
  }

  /** Every publisher that is followed, and what is known of its engine. */
  snapshot(): (PublisherReport & { readonly engine: EngineReport | undefined })[] {
    return this.#parts.feed.snapshot().map(report => ({ ...report, engine: this.#reportOf(report.pod) }));
  }

  /** Where its events and replays come from, and whether anything listens there. */
  portsOf(pod: string): readonly WatchedPort[] {
    return this.#ports.of(pod);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#profiles.stop(), this.#ports.stop()]);
    await this.#http.close();
  }

  #onProfile(pod: Pod, profile: EngineProfile): void {
    const { cache, log } = this.#parts;
    const known = this.#known.get(pod.name);
    if (known === undefined) return;
    const { version, events, models } = profile;
    if (pod.kvEvents.kind === 'auto' && events?.kind === 'on') this.#followAs(pod, events.publishers);
    if (models !== undefined)
      cache.catalog.setServed(pod.name, { adapters: models.adapters, baseNames: models.names });
    cache.catalog.setReuse(pod.name, profile.reuse);

    const limits = this.#limitsOf(pod, profile);
    const said = JSON.stringify([version, limits]);
    if (said === known.said) return;
    known.said = said;
    const fields = { pod: pod.name, version, limits: limits.map(({ what, means }) => `${what}: ${means}`) };
    if (limits.every(({ what }) => what === 'array_events')) log.info(fields, 'engine');
    else log.warn(fields, 'engine, with limits');
  }

  /** Where an engine says that it publishes, which may be other ports after a restart. */
  #followAs(pod: Pod, publishers: readonly KvPublisher[]): void {
    const { cache, feed } = this.#parts;
    const known = this.#known.get(pod.name)!;
    const now = JSON.stringify(publishers);
    if (now === known.publishers) return;
    if (known.publishers !== '') {
      void feed.leave(pod.name);
      cache.purge(pod.name);
    }
    known.publishers = now;
    this.#follow(pod, publishers);
  }

  #follow(pod: Pod, publishers: readonly KvPublisher[]): void {
    const { feed, dials } = this.#parts;
    feed.follow(pod, publishers, () => clearScopeOf(this.#profiles.of(pod.name)));
    if (dials) this.#ports.follow(pod, publishers);
  }

  #reportOf(name: string): EngineReport | undefined {
    const profile = this.#profiles.of(name);
    const { pod } = this.#known.get(name) ?? {};
    if (pod === undefined || profile === undefined) return undefined;
    return { version: profile.version, limits: this.#limitsOf(pod, profile).map(({ what }) => what) };
  }

  #limitsOf({ kvEvents }: Pod, profile: EngineProfile): EngineLimit[] {
    const replayed = kvEvents.kind !== 'zmq' || kvEvents.replayPort !== undefined;
    return limitsOf(profile, { asked: kvEvents.kind === 'auto', dialled: this.#parts.dials, replayed });
  }
}
