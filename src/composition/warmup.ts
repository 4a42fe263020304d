/** When a router that has just started knows enough to be better than a load balancer. */
export interface WarmupOptions {
  /** How long it waits for the engines at most, from when the first pod is known; 0 = not at all. */
  readonly maxMs: number;
  /** Whether everything that can be learned is learned. */
  readonly isLearned: () => boolean;
  /** Called once, with what ended it. */
  readonly onOver: (why: 'learned' | 'timeout') => void;
}

/** Ends once and for all: pods that join later are learned while it serves. */
export class Warmup {
  readonly #options: WarmupOptions;
  #timer: NodeJS.Timeout | undefined;
  #isOver: boolean;

  constructor(options: WarmupOptions) {
    this.#options = options;
    this.#isOver = options.maxMs === 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** To be called when pods are known, and whenever something was learned. */
  check(): void {
    if (this.#isOver) return;
    if (this.#options.isLearned()) this.#end('learned');
    else this.#timer ??= setTimeout(() => this.#end('timeout'), this.#options.maxMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isOver = true;
  }

  #end(why: 'learned' | 'timeout'): void {
    this.stop();
    this.#options.onOver(why);
  }
}
