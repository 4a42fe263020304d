import { Breaker, type Clock } from '../../time.ts';

export interface PodTrustOptions {
  /** Doubts in a row that make the pod suspected. */
  readonly failures: number;
  /** From one probe that failed to the next. */
  readonly halfOpenAfterMs: number;
  readonly now: Clock;
  /** Whether the pod tokenizes something short that nobody can refuse; `unknown` if the answer was not waited for. Never rejects. */
  readonly probe: () => Promise<'works' | 'fails' | 'unknown'>;
  readonly onState: (state: 'open' | 'closed') => void;
}

/**
 * Whether a pod's tokenizer is of any use. Doubts come from calls that fail or are late. That can be the prompt's fault: it may
 * be megabytes long, or one that makes this engine fail. So doubts alone take no pod away from others: after some in a row, a
 * prompt of our own decides, and while the circuit is open, another one from time to time. No client's prompt is the probe.
 */
export class PodTrust {
  readonly #options: PodTrustOptions;
  /** Admits the probes only. */
  readonly #breaker: Breaker;
  #doubts = 0;
  #isProbing = false;

  constructor(options: PodTrustOptions) {
    this.#options = options;
    const { halfOpenAfterMs, now, onState } = options;
    this.#breaker = new Breaker({
      failures: 1,
      halfOpenAfterMs,
      now,
      onState: state => {
        if (state !== 'half_open') onState(state);
      },
    });
  }

  /** Whether clients' prompts may go to it. Starts the probe that is due when they may not. */
  mayBeAsked(): boolean {
    if (this.#breaker.state === 'closed') return true;
    this.#probe();
    return false;
  }

  /** A probe is under way: better ask somebody else. */
  get isSuspected(): boolean {
    return this.#isProbing;
  }

  /** It has answered a prompt, be it with a refusal. */
  answered(): void {
    this.#doubts = 0;
  }

  doubted(): void {
    if (++this.#doubts >= this.#options.failures) this.#probe();
  }

  #probe(): void {
    const ended = this.#isProbing ? undefined : this.#breaker.admit();
    if (ended === undefined) return;
    this.#isProbing = true;
    void this.#options.probe().then(outcome => {
      this.#isProbing = false;
      this.#doubts = 0;
      ended(outcome === 'works' ? 'succeeded' : outcome === 'fails' ? 'failed' : 'unknown');
    });
  }
}
