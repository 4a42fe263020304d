/** How one pod tokenizes, asked as the router asks. */
import type { Pod } from '../../domain.ts';
import type { RemoteTokenizerOptions, TokenizeFact } from '../../prompt/engine/remote-tokenizer.ts';
import { parsePrompt } from '../../prompt/request.ts';
import { type Tokenizer, TokenizerError } from '../../prompt/tokenizer.ts';
import { monotonicClock } from '../../time.ts';
import type { TokensAnswer } from './pod-facts.ts';
import type { ProbePrompt } from './probe-prompt.ts';

/** What makes the router's tokenizer, and shows its calls. */
export type CreateTokenizer = (
  observed: Required<Pick<RemoteTokenizerOptions, 'onCall' | 'around'>>,
) => Tokenizer;

export class PodTokens {
  readonly #pod: Pod;
  readonly #tokenizer: Tokenizer;
  #calls: (TokenizeFact & { readonly kind: 'call' })[] = [];
  /** `http://host:port` that was asked last: another than the pod's own, where a template says so. */
  #origin = '';

  constructor(pod: Pod, create: CreateTokenizer) {
    this.#pod = pod;
    this.#tokenizer = create({
      onCall: fact => {
        if (fact.kind === 'call') this.#calls.push(fact);
      },
      around: ({ url }, send) => {
        this.#origin = new URL(url).origin;
        return send({});
      },
    });
  }

  /** Never rejects. */
  async of({ path, body }: ProbePrompt, signal: AbortSignal): Promise<TokensAnswer> {
    const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify(body)));
    if (parsed.kind === 'invalid')
      return { path, outcome: { kind: 'none', why: 'the pod’s model has no name' } };
    this.#calls = [];
    const started = monotonicClock();
    try {
      const { space, ids } = await this.#tokenizer.tokenize(parsed.prompt, [this.#pod], signal);
      const by = this.#calls.at(-1)?.route ?? 'tokenize';
      const tookMs = monotonicClock() - started;
      return { path, outcome: space === 'engine' ? { kind: 'tokens', by, ids, tookMs } : this.#none() };
    } catch (error) {
      if (error instanceof TokenizerError) return { path, outcome: this.#none(error.kind) };
      return { path, outcome: { kind: 'none', why: 'the time was over' } };
    }
  }

  close(): Promise<void> {
    return this.#tokenizer.close();
  }

  #none(kind = 'no tokens'): { readonly kind: 'none'; readonly why: string } {
    const calls = this.#calls.map(({ route, outcome }) => `${route}: ${outcome}`).join(', ');
    return { kind: 'none', why: calls === '' ? kind : `${this.#origin}: ${calls}` };
  }
}
