/** Engines whose events come to one feed over bad links, and what may befall them. */
import { setImmediate } from 'node:timers/promises';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import type { PublisherLimits } from '../../src/events/publisher-limits.ts';
import { HASHER } from './blocks.ts';
import { aCacheState, aPod } from './builders.ts';
import { ChaosChecker } from './chaos-checker.ts';
import { ChaosEngine, type ChaosEngineOptions } from './chaos-engine.ts';
import { FAITHFUL, type LinkRates, LossyLink } from './lossy-link.ts';
import { LossyReplay } from './lossy-replay.ts';
import type { Wire } from './tcp-switch.ts';
import { timesOf } from './told.ts';

/** An engine and its ways to the feed. */
export interface Member {
  readonly engine: ChaosEngine;
  readonly link: LossyLink;
  /** undefined: it does not replay. */
  readonly replays: LossyReplay | undefined;
  /** What befalls it, one after the other. */
  busy: Promise<void>;
}

export interface ChaosFleetOptions {
  readonly engines: readonly ChaosEngineOptions[];
  readonly limits: Partial<PublisherLimits>;
  readonly random: () => number;
}

/** So that the feed knows something of a process when the next one starts. */
const STEPS_AFTER_RESTART = 5;

export class ChaosFleet {
  readonly members: Member[] = [];
  readonly checker: ChaosChecker;
  /** How often the feed told of each, under names like `forgotten gap`. */
  readonly told = new Map<string, number>();
  readonly counts = { restarts: 0, rejoins: 0, resets: 0 };
  readonly #cache = aCacheState();
  readonly #feed: EventFeed;
  readonly #connected = new Set<string>();
  #heard = Promise.withResolvers<void>();
  #turn = Promise.withResolvers<void>();

  private constructor(engines: readonly ChaosEngine[], limits: Partial<PublisherLimits>) {
    this.#feed = new EventFeed({
      cache: this.#cache,
      hasher: HASHER,
      topic: '',
      limits,
      onFact: fact => this.#hear(fact),
    });
    this.checker = new ChaosChecker(engines, this.#cache, () => this.#feed);
  }

  static async start({ engines: options, limits, random }: ChaosFleetOptions): Promise<ChaosFleet> {
    const engines = options.map(each => new ChaosEngine(each));
    const fleet = new ChaosFleet(engines, limits);
    for (const engine of engines) {
      await engine.start();
      const onDisturbed = (sequence: number) =>
        fleet.checker.disturb(engine, { life: engine.last?.life ?? 0, sequence });
      const link = await LossyLink.start({ rates: FAITHFUL, random, onDisturbed });
      const replays = engine.ports.replay === undefined ? undefined : await LossyReplay.start({ random });
      const member = { engine, link, replays, busy: Promise.resolve() };
      fleet.members.push(member);
      await fleet.#connect(member);
      link.join();
      fleet.#follow(member);
    }
    return fleet;
  }

  /** One step of every engine. */
  async step(): Promise<void> {
    for (const { engine } of this.members) engine.step();
    this.#turn.resolve();
    this.#turn = Promise.withResolvers();
    await setImmediate();
  }

  setRates(rates: LinkRates): void {
    for (const { link, replays } of this.members) {
      link.setRates(rates);
      replays?.setLoss(rates.lose / 10);
    }
  }

  reset({ engine }: Member): void {
    if (!engine.up) return;
    this.counts.resets++;
    engine.reset();
  }

  /** The feed's connection ends, and none can be made for so many steps. */
  cut(member: Member, steps: number): void {
    this.#befall(member, async () => {
      const { link, engine } = member;
      link.cut();
      this.checker.disturb(engine, engine.last);
      await this.#steps(steps);
      link.join();
    });
  }

  /** A new process after `down` steps, at the addresses that the feed knows, but out of reach for `unreachable` more. */
  restart(
    member: Member,
    { down, unreachable }: { readonly down: number; readonly unreachable: number },
  ): void {
    this.#befall(member, async () => {
      const { engine, link } = member;
      this.counts.restarts++;
      this.checker.disturb(engine, { life: (engine.last?.life ?? 0) + 1, sequence: 0 });
      link.detach();
      member.replays?.lead(undefined);
      await engine.kill();
      await this.#steps(down);
      // A process takes longer to start than the word that the one before it is gone.
      while (this.#connected.has(engine.options.name)) await this.#heard.promise;
      await engine.start();
      await this.#connect(member);
      await this.#steps(unreachable);
      link.join();
      while (!link.joined) await link.changed();
      await this.#steps(STEPS_AFTER_RESTART);
    });
  }

  /** Replays do not answer for so many steps. */
  disturbReplays(member: Member, wire: Wire, steps: number): void {
    this.#befall(member, async () => {
      member.replays?.set(wire);
      await this.#steps(steps);
      member.replays?.set('through');
    });
  }

  /** The pod is taken out and put in again. */
  rejoin(member: Member): void {
    this.#befall(member, async () => {
      const { name } = member.engine.options;
      this.counts.rejoins++;
      const left = this.#feed.leave(name);
      this.#cache.purge(name);
      this.#connected.delete(name);
      this.checker.left(member.engine);
      await left;
      this.#follow(member);
    });
  }

  /** No load, links as they should be, and every gap visible: resolves when the feed has nothing left to do. */
  async calm(): Promise<void> {
    let underWay = true;
    const over = Promise.all(this.members.map(({ busy }) => busy)).finally(() => {
      underWay = false;
    });
    // What befalls them is counted in steps.
    while (underWay) await this.step();
    await over;
    for (const { link, engine, replays } of this.members) {
      link.heal();
      replays?.setLoss(0);
      engine.rest();
    }
    for (const { link, engine } of this.members) {
      for (;;) {
        while (!link.joined) await link.changed();
        engine.mark();
        const changed = link.changed().then(() => true);
        while (!this.checker.isSettled(engine)) {
          if (await Promise.race([changed, this.#heard.promise.then(() => false)])) break;
        }
        if (link.joined && this.checker.isSettled(engine)) break;
      }
    }
  }

  snapshot() {
    return this.#feed.snapshot();
  }

  async stop(): Promise<void> {
    await this.#feed.stop();
    for (const { engine, link, replays } of this.members) {
      await link.close();
      await replays?.close();
      if (engine.up) await engine.kill();
    }
  }

  async #connect({ engine, link, replays }: Member): Promise<void> {
    replays?.lead(engine.ports.replay);
    await link.attach(engine.ports.events);
  }

  #follow({ engine, link, replays }: Member): void {
    this.#feed.follow(
      aPod({
        name: engine.options.name,
        model: engine.options.model,
        kvEvents: { kind: 'zmq', port: link.port, replayPort: replays?.port, ranks: 1 },
      }),
    );
  }

  #befall(member: Member, what: () => Promise<void>): void {
    member.busy = member.busy.then(what);
  }

  async #steps(count: number): Promise<void> {
    for (let step = 0; step < count; step++) await this.#turn.promise;
  }

  #hear(fact: FeedFact): void {
    this.checker.hear(fact);
    if (fact.kind === 'link') this.#connected[fact.event === 'connected' ? 'add' : 'delete'](fact.pod);
    const name = nameOf(fact);
    this.told.set(name, (this.told.get(name) ?? 0) + timesOf(fact));
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }
}

function nameOf(fact: FeedFact): string {
  switch (fact.kind) {
    case 'applied':
      return `applied ${fact.outcome}`;
    case 'forgotten':
    case 'dropped':
    case 'skipped_event':
    case 'malformed_message':
      return `${fact.kind} ${fact.why}`;
    case 'replay':
      return `replay ${fact.outcome}`;
    case 'state':
      return fact.why === undefined ? `state ${fact.state}` : `state ${fact.state} ${fact.why}`;
    case 'link':
      return `link ${fact.event}`;
    case 'circuit':
      return `circuit ${fact.state}`;
    default:
      return fact.kind;
  }
}
