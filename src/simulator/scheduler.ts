/**
 * Runs requests on the cache: one prefill at a time, so that a cache hit shows in the time to the first token, and all
 * decodes together, one token each per step. Every step that has cache events publishes them as one batch, before its
 * tokens go out.
 */
import { type Clock, pause } from './clock.ts';
import type { CacheContext, CacheEvent, KvCache, Sequence } from './kv-cache.ts';
import { type Noise, noiseFor, scripted } from './noise.ts';
import type { Ending, EngineStats } from './stats.ts';
import { END_OF_SEQUENCE } from './tokenizer.ts';

export interface CostModel {
  /** Uncached prompt tokens per second; prefills run one after the other. */
  readonly prefillTokensPerSecond: number;
  /** Tokens per second and request; decodes run side by side. */
  readonly decodeTokensPerSecond: number;
  /** Added to every prefill. */
  readonly overheadMs: number;
}

export interface GenerationRequest {
  readonly promptTokens: readonly number[];
  readonly context: CacheContext;
  /** At least 1. */
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
  readonly seed: number;
  /** What to answer; undefined: noise. */
  readonly answer?: readonly number[] | undefined;
  /** Aborting frees the request's blocks at once. */
  readonly signal: AbortSignal;
  /** When the prefill starts: how much of the prompt the cache holds. Not called again after a preemption. */
  readonly onPrefill?: (cachedTokens: number) => void;
  readonly onToken?: (token: number, finishReason: FinishReason | undefined) => void;
}

/** As clients see it. */
export type FinishReason = Exclude<Ending, 'abort'>;

export interface Generation {
  /** Generated tokens; the last one is the end token if `finishReason` is `stop`. */
  readonly tokenIds: readonly number[];
  readonly cachedTokens: number;
  readonly finishReason: Ending;
}

export interface SchedulerOptions {
  readonly cache: KvCache;
  readonly clock: Clock;
  readonly cost: CostModel;
  /** A longer prompt is computed and published in chunks of this size (vLLM's `max_num_batched_tokens`). */
  readonly prefillChunkTokens: number;
  readonly stats: EngineStats;
  readonly publish: (events: readonly CacheEvent[]) => void;
}

interface Job {
  readonly request: GenerationRequest;
  readonly noise: Noise;
  readonly generated: number[];
  readonly arrivedAtMs: number;
  readonly finish: (finishReason: Generation['finishReason']) => void;
  cachedTokens: number | undefined;
  /** Of its first prefill. */
  prefillAtMs: number;
  firstTokenAtMs: number;
  sequence: Sequence | undefined;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #waiting: Job[] = [];
  readonly #decoding = new Set<Job>();
  #prefilling: Job | undefined;
  #prefillLoop: Promise<void> | undefined;
  #decodeLoop: Promise<void> | undefined;
  #blocksFreed: (() => void) | undefined;
  readonly #stop = new AbortController();
  readonly #aborts = new Set<() => void>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#decoding.size + (this.#prefilling === undefined ? 0 : 1);
  }

  /** Names of the LoRA adapters that requests run or wait with. */
  get adapters(): { readonly running: readonly string[]; readonly waiting: readonly string[] } {
    const running = [...this.#decoding, ...(this.#prefilling === undefined ? [] : [this.#prefilling])];
    return { running: adaptersOf(running), waiting: adaptersOf(this.#waiting) };
  }

  /** Never rejects: an aborted request, or a stopped scheduler, gives `abort` and what was generated so far. */
  generate(request: GenerationRequest): Promise<Generation> {
    const { clock, stats } = this.#options;
    return new Promise(resolve => {
      const abort = () => job.finish('abort');
      const job: Job = {
        request,
        noise:
          request.answer === undefined ? noiseFor(request.promptTokens, request) : scripted(request.answer),
        generated: [],
        arrivedAtMs: clock.now(),
        cachedTokens: undefined,
        prefillAtMs: 0,
        firstTokenAtMs: 0,
        sequence: undefined,
        finish: finishReason => {
          if (!this.#aborts.delete(abort)) return;
          request.signal.removeEventListener('abort', abort);
          this.#leave(job);
          stats.finished(finishReason);
          if (finishReason !== 'abort') this.#observe(job);
          resolve({ tokenIds: job.generated, cachedTokens: job.cachedTokens ?? 0, finishReason });
        },
      };
      this.#aborts.add(abort);
      if (request.signal.aborted || this.#stop.signal.aborted) return abort();
      request.signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(job);
      this.#prefillLoop ??= this.#prefillAll();
    });
  }

  /** Publishes what no step has published yet. */
  publishPending(): void {
    const events = this.#options.cache.drainEvents();
    if (events.length > 0) this.#options.publish(events);
  }

  /** Aborts every request and waits for the loops to end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const abort of [...this.#aborts]) abort();
    this.#blocksFreed?.();
    await Promise.all([this.#prefillLoop, this.#decodeLoop]);
  }

  async #prefillAll(): Promise<void> {
    for (let job = this.#waiting[0]; job !== undefined; job = this.#waiting[0]) {
      const tokens = [...job.request.promptTokens, ...job.generated];
      const sequence = this.#options.cache.allocate(tokens, job.request.context);
      if (sequence === undefined) {
        // Some other request holds the blocks: no single one needs more than there are.
        await new Promise<void>(resolve => {
          this.#blocksFreed = resolve;
        });
        continue;
      }
      this.#waiting.shift();
      this.#prefilling = job;
      job.sequence = sequence;
      if (job.cachedTokens === undefined) {
        job.cachedTokens = sequence.cachedTokens;
        job.prefillAtMs = this.#options.clock.now();
        this.#options.stats.prefilled(job.request.promptTokens.length, sequence.cachedTokens);
        job.request.onPrefill?.(sequence.cachedTokens);
      }
      await this.#prefill(job, sequence);
      this.#prefilling = undefined;
    }
    // In the same turn as the loop's last look, so that no request comes in between.
    this.#prefillLoop = undefined;
  }

  async #prefill(job: Job, sequence: Sequence): Promise<void> {
    const { cache, clock, cost, prefillChunkTokens } = this.#options;
    const signal = AbortSignal.any([job.request.signal, this.#stop.signal]);
    const total = sequence.tokenIds.length;
    let overheadMs = cost.overheadMs;
    for (let computed = sequence.cachedTokens; computed < total; ) {
      const chunk = Math.min(prefillChunkTokens, total - computed);
      await pause(clock, overheadMs + (1_000 * chunk) / cost.prefillTokensPerSecond, signal);
      if (job.sequence === undefined) return;
      overheadMs = 0;
      computed += chunk;
      cache.store(sequence, computed);
      this.publishPending();
    }
    this.#prefilling = undefined;
    this.#decoding.add(job);
    this.#emit(job, sequence);
    if (this.#decoding.size === 0) return;
    this.#decodeLoop ??= this.#decodeAll();
  }

  async #decodeAll(): Promise<void> {
    const { clock, cost } = this.#options;
    while (this.#decoding.size > 0) {
      await pause(clock, 1_000 / cost.decodeTokensPerSecond, this.#stop.signal);
      for (const job of [...this.#decoding]) this.#computeLastToken(job);
      this.publishPending();
      for (const job of [...this.#decoding]) {
        // The token of another job may have made its owner abort this one.
        if (job.sequence !== undefined) this.#emit(job, job.sequence);
      }
    }
    this.#decodeLoop = undefined;
  }

  /**
   * A token's keys and values are computed in the step after it was sampled, so a block is stored with the step that
   * follows its last token, and the answer's very last token is never part of one.
   */
  #computeLastToken(job: Job): void {
    const { cache } = this.#options;
    const { sequence } = job;
    // An older job of this step may have preempted it.
    if (sequence === undefined) return;
    while (!cache.reserve(sequence, sequence.tokenIds.length)) {
      const youngest = [...this.#decoding].at(-1)!;
      this.#preempt(youngest);
      if (youngest === job) return;
    }
    cache.store(sequence, sequence.tokenIds.length);
  }

  /** Takes the blocks away; the request waits at the front and its tokens so far are prefilled again. */
  #preempt(job: Job): void {
    this.#options.stats.preempted();
    this.#leave(job);
    this.#waiting.unshift(job);
    this.#prefillLoop ??= this.#prefillAll();
  }

  /** How long the stages of a finished request took. */
  #observe({ request, generated, arrivedAtMs, prefillAtMs, firstTokenAtMs }: Job): void {
    const { stats, clock } = this.#options;
    stats.promptLengths.add(request.promptTokens.length);
    stats.generationLengths.add(generated.length);
    stats.queueSeconds.add((prefillAtMs - arrivedAtMs) / 1_000);
    stats.prefillSeconds.add((firstTokenAtMs - prefillAtMs) / 1_000);
    stats.decodeSeconds.add((clock.now() - firstTokenAtMs) / 1_000);
  }

  #emit(job: Job, sequence: Sequence): void {
    const { stats, clock } = this.#options;
    const token = job.noise.next();
    if (job.generated.length === 0) {
      job.firstTokenAtMs = clock.now();
      stats.firstToken(job.firstTokenAtMs - job.arrivedAtMs);
    }
    job.generated.push(token);
    sequence.tokenIds.push(token);
    stats.generated();
    const finishReason =
      token === END_OF_SEQUENCE
        ? 'stop'
        : job.generated.length === job.request.maxTokens
          ? 'length'
          : undefined;
    job.request.onToken?.(token, finishReason);
    if (finishReason !== undefined) job.finish(finishReason);
  }

  #leave(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#decoding.delete(job);
    if (this.#prefilling === job) this.#prefilling = undefined;
    if (job.sequence !== undefined) this.#options.cache.free(job.sequence);
    job.sequence = undefined;
    this.#blocksFreed?.();
  }
}

function adaptersOf(jobs: readonly Job[]): string[] {
  return [...new Set(jobs.flatMap(({ request }) => request.context.lora ?? []))];
}
