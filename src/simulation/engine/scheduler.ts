/**
 * vLLM's scheduler (v1/core/sched/scheduler.py) without a model: first come, first served; a step has a budget of tokens, of which running
 * sequences take first, in their order, and waiting ones then, in chunks; blocks are taken as tokens need them; where there are none, the
 * sequence that came last gives all of its own back and waits at the front. No time, no I/O.
 */
import type { KvEvent } from '../../events/decoding/decoding.ts';
import { BlockCache } from './block-cache.ts';
import type { StepWork } from './cost-model.ts';
import type { BlockNaming, Sequence } from './sequence.ts';
import { StepEvents } from './step-events.ts';

export interface SchedulerOptions {
  /** Usable blocks of the KV cache. */
  readonly blocks: number;
  readonly naming: BlockNaming;
  /** Tokens of one step: vLLM's `max_num_batched_tokens`. */
  readonly maxBatchedTokens: number;
  /** Sequences of one step: vLLM's `max_num_seqs`. */
  readonly maxSequences: number;
}

/** What a step computes, and who has come into it for the first time. */
export interface StepPlan extends StepWork {
  readonly admitted: readonly Sequence[];
}

/** What a step that has been computed has brought. */
export interface StepResult {
  /** In the order in which they happened. */
  readonly events: readonly KvEvent[];
  /** Sequences that have got their first token. */
  readonly first: readonly Sequence[];
  /** Those that have got their last one, and whose blocks are free. */
  readonly ended: readonly Sequence[];
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #cache: BlockCache;
  readonly #events = new StepEvents();
  #waiting: Sequence[] = [];
  /** How many at the beginning of `#waiting` have left it. */
  #left = 0;
  #running: Sequence[] = [];
  #batch: Sequence[] = [];
  #preemptions = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#cache = new BlockCache(options.blocks, (hi, lo) => this.#events.removed(hi, lo));
  }

  get waiting(): number {
    return this.#waiting.length - this.#left;
  }

  get running(): number {
    return this.#running.length;
  }

  /** Share of the blocks that requests hold, from 0 to 1: vLLM's `kv_cache_usage_perc`. */
  get cacheUsage(): number {
    return 1 - this.#cache.free / this.#cache.blocks;
  }

  get preemptions(): number {
    return this.#preemptions;
  }

  get cache(): Pick<BlockCache, 'blocks' | 'free' | 'contents' | 'prefix'> {
    return this.#cache;
  }

  /** Whether it could ever be computed: what does not fit into the whole cache is refused, as by vLLM's `max_model_len`. */
  accepts({ request: { inputTokens, outputTokens } }: Sequence): boolean {
    return inputTokens + outputTokens <= this.#cache.blocks * this.#options.naming.blockSizeTokens;
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** What the next step computes; undefined: there is nothing to do. The one before must be complete. */
  schedule(): StepPlan | undefined {
    this.#batch = [];
    const admitted: Sequence[] = [];
    const work = { prefillTokens: 0, decodes: 0 };
    let budget = this.#options.maxBatchedTokens;
    const preemptedBefore = this.#preemptions;
    for (let i = 0; i < this.#running.length && budget > 0; i++) {
      const sequence = this.#running[i]!;
      const tokens = Math.min(sequence.length - sequence.computed, budget);
      if (!this.#makeRoom(sequence, sequence.computed + tokens)) break;
      budget -= this.#put(sequence, tokens, work);
    }
    if (this.#preemptions === preemptedBefore) {
      while (this.waiting > 0 && budget > 0 && this.#running.length < this.#options.maxSequences) {
        const sequence = this.#waiting[this.#left]!;
        const isNew = sequence.cachedTokens === undefined;
        const tokens = this.#admit(sequence, budget);
        if (tokens === 0) break;
        if (isNew) admitted.push(sequence);
        this.#leave();
        this.#running.push(sequence);
        budget -= this.#put(sequence, tokens, work);
      }
    }
    return this.#batch.length === 0 ? undefined : { ...work, admitted };
  }

  /** The step is computed. */
  complete(): StepResult {
    const first: Sequence[] = [];
    const ended: Sequence[] = [];
    for (const sequence of this.#batch) {
      sequence.computed += sequence.scheduled;
      if (sequence.computed < sequence.length) continue;
      sequence.generated++;
      if (sequence.generated === 1) first.push(sequence);
      if (sequence.generated < sequence.request.outputTokens) continue;
      this.#release(sequence);
      ended.push(sequence);
    }
    if (ended.length > 0) {
      this.#running = this.#running.filter(({ generated, request }) => generated < request.outputTokens);
    }
    this.#batch = [];
    return { events: this.#events.drain(), first, ended };
  }

  /** How many of its tokens the step computes, after it has found what is cached; 0: too few blocks are free. */
  #admit(sequence: Sequence, budget: number): number {
    const { naming } = this.#options;
    const { blockSizeTokens } = naming;
    const { lanes } = sequence.content(naming);
    // At least the last token is computed: it gives the next one.
    const hits = this.#cache.prefix(lanes, Math.floor((sequence.length - 1) / blockSizeTokens));
    const cached = hits.length * blockSizeTokens;
    const tokens = Math.min(sequence.length - cached, budget);
    const more = Math.ceil((cached + tokens) / blockSizeTokens) - hits.length;
    if (!this.#cache.fits(hits, more)) return 0;
    for (const block of hits) this.#cache.hold(block);
    for (let i = 0; i < more; i++) hits.push(this.#cache.take());
    sequence.blocks = hits;
    sequence.stored = cached / blockSizeTokens;
    sequence.computed = cached;
    sequence.cachedTokens ??= cached;
    return tokens;
  }

  /** Room for its first `tokens` tokens, if need be by taking that of those who came after it; false: it had to give its own back. */
  #makeRoom(sequence: Sequence, tokens: number): boolean {
    const more = Math.ceil(tokens / this.#options.naming.blockSizeTokens) - sequence.blocks.length;
    while (more > this.#cache.free) {
      const last = this.#running.pop()!;
      this.#release(last);
      last.computed = 0;
      this.#waiting.splice(this.#left, 0, last);
      this.#preemptions++;
      if (last === sequence) return false;
    }
    for (let i = 0; i < more; i++) sequence.blocks.push(this.#cache.take());
    return true;
  }

  /** Returns how many tokens of the step are its. Its full blocks can be found from now on, also by others in the same step. */
  #put(sequence: Sequence, tokens: number, work: { prefillTokens: number; decodes: number }): number {
    const { blockSizeTokens } = this.#options.naming;
    if (sequence.isDecoding) work.decodes++;
    else work.prefillTokens += tokens;
    sequence.scheduled = tokens;
    this.#batch.push(sequence);
    const full = Math.floor((sequence.computed + tokens) / blockSizeTokens);
    if (full > sequence.stored) {
      const content = sequence.content(this.#options.naming);
      for (let i = sequence.stored; i < full; i++) {
        this.#cache.store(sequence.blocks[i]!, content.lanes[2 * i]!, content.lanes[2 * i + 1]!);
      }
      this.#events.stored(content.lanes, content.tokens, sequence.stored, full, blockSizeTokens);
      sequence.stored = full;
    }
    return tokens;
  }

  #release(sequence: Sequence): void {
    this.#cache.release(sequence.blocks);
    sequence.blocks = [];
  }

  #leave(): void {
    this.#left++;
    if (this.#left < 64 || 2 * this.#left < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#left);
    this.#left = 0;
  }
}
