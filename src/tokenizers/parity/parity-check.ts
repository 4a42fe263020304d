/**
 * Compares our tokens with the engines' beside the requests: of probes when a tokenizer is new, and of real requests that the
 * guard wants to see. Nothing that a request waits for, few at a time, and none where engines are not asked.
 */
import type { Pod, Tokens } from '../../domain.ts';
import { type PromptRequest, parsePrompt } from '../../prompt/request.ts';
import type { Tokenizer } from '../../prompt/tokenizer.ts';
import type { Clock } from '../../time.ts';
import type { ModelTokenizer } from '../model-tokenizer.ts';
import { type Comparison, compareIds, compareWithEngine } from './comparison.ts';
import type { ParityGuard } from './parity-guard.ts';
import { PROBED_PATHS, PROBES, type ProbedPath } from './probes.ts';

/** Comparisons of requests at one time; further ones are left out, and others take their place. */
const MAX_UNDER_WAY = 4;
/** After probes that nobody answered. */
const PROVE_AGAIN_MS = 5_000;

export interface ParityCheckParts {
  readonly models: { of(model: string): ModelTokenizer | undefined };
  readonly guard: ParityGuard;
  /** Asks engines and nobody else. undefined: they are never asked, and what is computed here is used at once. */
  readonly engines: Pick<Tokenizer, 'tokenize'> | undefined;
  readonly now: Clock;
  readonly onUnexpected: (error: unknown) => void;
}

export class ParityCheck {
  readonly #parts: ParityCheckParts;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  /** Model and path → when its probes may be sent again; Infinity: they are on their way. */
  readonly #nextProof = new Map<string, number>();
  /** Pods that are to be looked at, one after the other. */
  readonly #joined = new Map<string, Pod>();
  #comparing = 0;
  #isLooking = false;

  constructor(parts: ParityCheckParts) {
    this.#parts = parts;
  }

  /** A model's tokenizer is loaded: whatever was known is of another one. */
  loaded(model: string, pods: readonly Pod[]): void {
    this.#parts.guard.forget(model);
    for (const path of PROBED_PATHS) {
      this.#nextProof.delete(keyOf(model, path));
      this.prove(model, path, pods);
    }
  }

  /** Shows by probes whether tokens computed here are the engine's, unless that is known, or was tried just now. */
  prove(model: string, path: string, pods: readonly Pod[]): void {
    const { guard, engines, now } = this.#parts;
    if (!isProbed(path) || pods.length === 0 || guard.mayUse(model, path) || guard.isDoubted(model, path))
      return;
    if (engines === undefined) {
      guard.unaskable(model, path);
      return;
    }
    const key = keyOf(model, path);
    if ((this.#nextProof.get(key) ?? 0) > now()) return;
    this.#nextProof.set(key, Number.POSITIVE_INFINITY);
    this.#beside(
      this.#probe(model, path, pods).finally(() => this.#nextProof.set(key, now() + PROVE_AGAIN_MS)),
    );
  }

  /** An engine has joined or restarted: it may have other tokenizer files than the others. */
  engineChanged(pod: Pod): void {
    this.#parts.guard.engineChanged(pod.model);
    if (this.#parts.engines === undefined) return;
    this.#joined.set(pod.name, pod);
    if (!this.#isLooking) this.#beside(this.#lookAtJoined());
  }

  /** Asks an engine for the same prompt. */
  compareWithEngine(prompt: PromptRequest, pods: readonly Pod[], ours: Uint32Array): void {
    this.#compare(prompt, pods, async () => this.#comparedWithEngine(prompt, pods, ours));
  }

  /** An engine has tokenized the prompt: computes the same here, where that is of use. */
  compareWithOurs(prompt: PromptRequest, pods: readonly Pod[], { space, ids }: Tokens): void {
    const { models, guard } = this.#parts;
    const model = pods[0]?.model;
    // Of a model without a tokenizer the guard is to know nothing.
    if (model === undefined || space !== 'engine' || models.of(model) === undefined) return;
    if (!guard.wantsCheck(model, prompt.path)) return;
    this.#compare(prompt, pods, async () => {
      const ours = await this.#parts.models.of(model)?.tokensOf(prompt);
      return ours?.kind === 'tokens' ? compareIds(ours.ids, ids) : undefined;
    });
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#joined.clear();
    await Promise.allSettled(this.#underWay);
  }

  #compare(
    { path }: PromptRequest,
    pods: readonly Pod[],
    compare: () => Promise<Comparison | undefined>,
  ): void {
    const model = pods[0]?.model;
    if (model === undefined || this.#comparing >= MAX_UNDER_WAY || this.#closing.signal.aborted) return;
    const tokenizer = this.#parts.models.of(model);
    this.#comparing++;
    this.#beside(
      compare()
        .then(comparison => {
          // Another tokenizer has taken its place meanwhile.
          if (comparison === undefined || this.#parts.models.of(model) !== tokenizer) return;
          this.#parts.guard.compared(model, path, comparison);
        })
        .finally(() => this.#comparing--),
    );
  }

  async #probe(model: string, path: ProbedPath, pods: readonly Pod[]): Promise<void> {
    const { guard, models } = this.#parts;
    const tokenizer = models.of(model);
    const found: Comparison[] = [];
    for (const body of PROBES[path]) {
      const comparison = await this.#probed(tokenizer, model, path, body, pods);
      if (this.#closing.signal.aborted || models.of(model) !== tokenizer) return;
      if (comparison !== undefined) found.push(comparison);
      if (comparison?.kind === 'different') break;
      if (comparison?.kind === 'unanswered' && comparison.why === 'failed') return;
    }
    const answered = found.filter(({ kind }) => kind !== 'unanswered');
    for (const comparison of answered) guard.compared(model, path, comparison);
    const cannotTell =
      found.length > 0 && found.every(each => each.kind === 'unanswered' && each.why === 'no_form');
    if (cannotTell) guard.unaskable(model, path);
  }

  /** undefined: it is not computed here. */
  async #probed(
    tokenizer: ModelTokenizer | undefined,
    model: string,
    path: ProbedPath,
    body: Readonly<Record<string, unknown>>,
    pods: readonly Pod[],
  ): Promise<Comparison | undefined> {
    const raw = Buffer.from(JSON.stringify({ model, ...body }));
    const parsed = parsePrompt(path, 'application/json', raw);
    if (parsed.kind === 'invalid') return undefined;
    const ours = await tokenizer?.tokensOf(parsed.prompt);
    if (ours?.kind !== 'tokens') return undefined;
    return this.#comparedWithEngine(parsed.prompt, pods, ours.ids);
  }

  #comparedWithEngine(prompt: PromptRequest, pods: readonly Pod[], ours: Uint32Array): Promise<Comparison> {
    return compareWithEngine(this.#parts.engines!, prompt, pods, ours, this.#closing.signal);
  }

  async #lookAtJoined(): Promise<void> {
    this.#isLooking = true;
    try {
      for (const [name, pod] of this.#joined) {
        this.#joined.delete(name);
        for (const path of PROBED_PATHS) {
          const tokenizer = this.#parts.models.of(pod.model);
          if (tokenizer === undefined || this.#closing.signal.aborted) break;
          const comparison = await this.#probed(tokenizer, pod.model, path, PROBES[path].at(-1)!, [pod]);
          if (comparison !== undefined && this.#parts.models.of(pod.model) === tokenizer)
            this.#parts.guard.compared(pod.model, path, comparison);
        }
      }
    } finally {
      this.#isLooking = false;
    }
  }

  #beside(work: Promise<unknown>): void {
    const done = work.catch(error => {
      if (!this.#closing.signal.aborted) this.#parts.onUnexpected(error);
    });
    this.#underWay.add(done);
    void done.finally(() => this.#underWay.delete(done));
  }
}

function isProbed(path: string): path is ProbedPath {
  return Object.hasOwn(PROBES, path);
}

function keyOf(model: string, path: string): string {
  return `${model} ${path}`;
}
