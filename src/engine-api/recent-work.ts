/** What an engine has done lately, from counters of all that it has ever done. */
import type { RecentRequests } from '../domain.ts';
import type { Meaning, PageSums } from './engine-page.ts';

/** Each counts for 1/e of what it did this long ago. */
const REQUESTS_MS = 60_000;
const BUSY_MS = 30_000;
/** What was done before we first asked counts as so many requests. */
const WEIGHT_OF_BEFORE = 10;

/** What an engine says that is more is not true, and would drown what the others say. */
const MAX_MEAN = Number.MAX_SAFE_INTEGER;

/** A total and of how many: its mean is the ratio. */
type Ratio = readonly [total: Meaning, count: Meaning];

const RATIOS = {
  promptTokens: ['promptTokens', 'prompts'],
  allPromptTokens: ['allPromptTokens', 'allRequests'],
  generatedTokens: ['generatedTokens', 'generations'],
  allGeneratedTokens: ['allGeneratedTokens', 'allRequests'],
  computedTokens: ['computedTokens', 'computations'],
  cachedShare: ['cachedTokens', 'lookedUpTokens'],
  queueSeconds: ['queueSeconds', 'queued'],
  prefillSeconds: ['prefillSeconds', 'prefills'],
  decodeSeconds: ['decodeSeconds', 'decodes'],
  firstTokenSeconds: ['firstTokenSeconds', 'firstTokens'],
  totalSeconds: ['totalSeconds', 'totals'],
} as const satisfies Record<string, Ratio>;

type RatioName = keyof typeof RATIOS;

/** A mean whose past fades. */
class FadingMean {
  #total = 0;
  #count = 0;
  #lastTotal: number | undefined;
  #lastCount = 0;

  /** @param kept of what was before, from 0 to 1 */
  add(total: number, count: number, kept: number): void {
    if (this.#lastTotal === undefined) this.#begin(total, count);
    else {
      // Less than before: the process is a new one, and all that it counts is new.
      const isRestarted = count < this.#lastCount || total < this.#lastTotal;
      this.#total = this.#total * kept + total - (isRestarted ? 0 : this.#lastTotal);
      this.#count = this.#count * kept + count - (isRestarted ? 0 : this.#lastCount);
    }
    this.#lastTotal = total;
    this.#lastCount = count;
  }

  get value(): number | undefined {
    const mean = this.#total / this.#count;
    return this.#count > 0 && Math.abs(mean) <= MAX_MEAN ? mean : undefined;
  }

  #begin(total: number, count: number): void {
    const weight = Math.min(1, WEIGHT_OF_BEFORE / count);
    if (count <= 0) return;
    this.#total = total * weight;
    this.#count = count * weight;
  }
}

export class RecentWork {
  readonly #means = new Map(Object.keys(RATIOS).map(name => [name as RatioName, new FadingMean()]));
  #busyShare: number | undefined;
  #gpuSeconds: number | undefined;
  #atMs: number | undefined;

  /** @param atMs of the monotonic clock, not before that of the page before */
  add(sums: PageSums, atMs: number): void {
    const passedMs = this.#atMs === undefined ? 0 : atMs - this.#atMs;
    for (const [name, mean] of this.#means) {
      const [total, count] = RATIOS[name];
      if (sums[total].series > 0 && sums[count].series > 0)
        mean.add(sums[total].value, sums[count].value, Math.exp(-passedMs / REQUESTS_MS));
    }
    this.#noteBusy(sums, passedMs);
    this.#atMs = atMs;
  }

  get requests(): RecentRequests {
    const queueSeconds = this.#mean('queueSeconds');
    const firstTokenSeconds = this.#mean('firstTokenSeconds');
    const means = {
      promptTokens: this.#mean('promptTokens') ?? this.#mean('allPromptTokens'),
      generatedTokens: this.#mean('generatedTokens') ?? this.#mean('allGeneratedTokens'),
      queueSeconds,
      // SGLang counts from the request to the first token, and to the last.
      prefillSeconds: this.#mean('prefillSeconds') ?? difference(firstTokenSeconds, queueSeconds ?? 0),
      decodeSeconds: this.#mean('decodeSeconds') ?? difference(this.#mean('totalSeconds'), firstTokenSeconds),
    };
    return { ...means, prefillSecondsPerToken: this.#prefillSecondsPerToken(means) };
  }

  /**
   * A prefill takes a step of the engine even if it computes a single token, as each decoded token does: where most of a prompt is cached,
   * that would pass for the price of its few tokens.
   */
  #prefillSecondsPerToken(means: Omit<RecentRequests, 'prefillSecondsPerToken'>): number | undefined {
    const { promptTokens, generatedTokens, prefillSeconds, decodeSeconds } = means;
    const cachedShare = this.#mean('cachedShare');
    const computed =
      this.#mean('computedTokens') ??
      (promptTokens === undefined || cachedShare === undefined
        ? undefined
        : promptTokens * (1 - cachedShare));
    if (prefillSeconds === undefined || computed === undefined || computed <= 0) return undefined;
    // The first token comes with the prefill.
    const steps = generatedTokens === undefined ? 0 : generatedTokens - 1;
    const stepSeconds = decodeSeconds === undefined || steps <= 0 ? 0 : decodeSeconds / steps;
    return Math.max(0, prefillSeconds - stepSeconds) / computed;
  }

  /** undefined: it does not say. */
  get busyShare(): number | undefined {
    return this.#busyShare;
  }

  /** By the time that the GPU computed, where an engine counts it; else by whether it had requests when it was asked. */
  #noteBusy({ running, gpuSeconds }: PageSums, passedMs: number): void {
    if (running.series === 0) return;
    const ofGpu = this.#shareOfGpu(gpuSeconds, running.series, passedMs);
    const now = ofGpu ?? (running.value > 0 ? 1 : 0);
    const kept = Math.exp(-passedMs / BUSY_MS);
    this.#busyShare = this.#busyShare === undefined ? now : this.#busyShare * kept + now * (1 - kept);
  }

  /** @param ranks each has a GPU of its own, whose time is counted in a series per kind of work */
  #shareOfGpu(
    { value, series }: PageSums['gpuSeconds'],
    ranks: number,
    passedMs: number,
  ): number | undefined {
    if (series === 0) return undefined;
    const before = this.#gpuSeconds;
    this.#gpuSeconds = value / ranks;
    if (before === undefined || passedMs <= 0 || this.#gpuSeconds < before) return undefined;
    return Math.min(1, (1_000 * (this.#gpuSeconds - before)) / passedMs);
  }

  #mean(name: RatioName): number | undefined {
    return this.#means.get(name)!.value;
  }
}

function difference(whole: number | undefined, part: number | undefined): number | undefined {
  return whole === undefined || part === undefined ? undefined : Math.max(0, whole - part);
}
