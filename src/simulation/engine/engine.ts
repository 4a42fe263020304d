import type { KvEvent } from '../../events/decoding/decoding.ts';
import type { Timeline } from '../timeline.ts';
import { type CostModel, stepMs } from './cost-model.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';
import type { BlockNaming, Sequence } from './sequence.ts';

/** What an engine tells of what it does. */
export interface EngineListener {
  /** The first step that computes a part of it has begun. */
  admitted(sequence: Sequence): void;
  firstToken(sequence: Sequence): void;
  ended(sequence: Sequence): void;
  /** A step is over, and had such events. */
  published(events: readonly KvEvent[]): void;
}

export interface EngineOptions extends SchedulerOptions {
  readonly cost: CostModel;
  /** 1: as the cost model says; 0.5: half as fast. */
  readonly speed: number;
  readonly timeline: Timeline;
  readonly listener: EngineListener;
}

/** One engine in virtual time: step after step as long as there is work. */
export class Engine {
  readonly scheduler: Scheduler;
  readonly #options: EngineOptions;
  #isBusy = false;
  #computedTokens = 0;
  #prefillMs = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.scheduler = new Scheduler(options);
  }

  /** How it names its blocks. */
  get naming(): BlockNaming {
    return this.#options.naming;
  }

  /** Prompt tokens computed, again after preemptions included. */
  get computedTokens(): number {
    return this.#computedTokens;
  }

  /** Time that prompts took in the steps that have begun. */
  get prefillMs(): number {
    return this.#prefillMs;
  }

  submit(sequence: Sequence): void {
    this.scheduler.add(sequence);
    if (!this.#isBusy) this.#step();
  }

  #step(): void {
    const { timeline, cost, speed, listener } = this.#options;
    const work = this.scheduler.schedule();
    this.#isBusy = work !== undefined;
    if (work === undefined) return;
    this.#computedTokens += work.prefillTokens;
    for (const sequence of work.admitted) listener.admitted(sequence);
    this.#prefillMs += (cost.prefillTokenMs * work.prefillTokens) / speed;
    timeline.at(timeline.now + stepMs(cost, work, speed), () => this.#complete());
  }

  #complete(): void {
    const { listener } = this.#options;
    const { events, first, ended } = this.scheduler.complete();
    if (events.length > 0) listener.published(events);
    for (const sequence of first) listener.firstToken(sequence);
    for (const sequence of ended) listener.ended(sequence);
    this.#step();
  }
}
