/**
 * Answers that are followed to their end, to compare what their engines report with what was predicted, and to measure how long the first
 * byte took. Which ones is drawn at random before anything is known of them, so that they stand for all.
 */
import type { Pod, RoutedDecision } from '../../domain.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import type { Clock } from '../../time.ts';
import type { AnswerEncoding } from '../route-request.ts';
import { AnswerTail, type TokenUsage, usageIn } from './token-usage.ts';

export interface SampledAnswersOptions {
  /** Streamed answers that are followed at a time: each costs a message each way for each of its tokens. */
  readonly maxStreams: number;
  readonly now: Clock;
  readonly onSampled: (sample: SampledAnswer) => void;
}

/** What was found of one of them. */
export interface SampledAnswer {
  readonly decision: RoutedDecision;
  readonly answer: 'streamed' | 'whole';
  /**
   * From the pick until there was something of what was asked for: a streamed answer's first token, or all of a whole one. undefined: it
   * was not seen, or there was none.
   */
  readonly firstByteMs: number | undefined;
  readonly outcome: AnswerOutcome;
  /** What its engine reports. undefined: nothing, or it was not seen. */
  readonly usage: TokenUsage | undefined;
}

/**
 * - `as_predicted` (within one block), `more_cached`, `less_cached`: what the engine reports beside what was predicted;
 * - `unpredicted`: it reports, and the prompt was not looked up;
 * - `no_usage`: the answer says nothing of cached tokens, or it was over before;
 * - `encoded`: it is compressed; `error_status`: it is none that was asked for; `other_pod`: another pod than the pick gave it, or, of a
 *   request left to Envoy, none that is known;
 * - `not_shown`: Envoy did not show it, or the client left before it came;
 * - `too_many`: it is streamed, and enough others were being followed.
 */
export type AnswerOutcome =
  | {
      readonly kind: 'as_predicted' | 'more_cached' | 'less_cached';
      readonly promptTokens: number;
      /** In tokens of the engine, whatever the prompt was cut into here. */
      readonly predictedTokens: number;
      readonly reportedTokens: number;
    }
  | { readonly kind: 'unpredicted' | 'no_usage' }
  | { readonly kind: 'encoded' | 'error_status' | 'other_pod' | 'not_shown' | 'too_many' };

/** One answer on its way. */
export interface FollowedAnswer {
  /** @param server undefined: no pod that is known */
  answered(status: number, server: Pod | undefined, encoding: AnswerEncoding): void;
  read(part: Uint8Array): void;
  /** The exchange is over. Harmless to repeat. */
  ended(): void;
}

/** `/v1/responses` says that it has begun before the engine has: this event comes with the first token. */
const FIRST_ITEM = 'event: response.output_item.added';

export class SampledAnswers {
  readonly #options: SampledAnswersOptions;
  #streams = 0;
  /** Engines that were heard to tell of cached tokens: some leave it out where nothing was cached. */
  readonly #telling = new WeakSet<Pod>();

  constructor(options: SampledAnswersOptions) {
    this.#options = options;
  }

  /**
   * Call it when the pod is picked. undefined: the answer is not looked at.
   * @param servedBy of a request that any pod may get: what would have been decided for the one that has
   */
  follow(
    decision: RoutedDecision,
    { path, body }: PromptRequest,
    servedBy?: (server: Pod) => RoutedDecision,
  ): FollowedAnswer | undefined {
    /** What there was to be expected of whoever serves it. */
    let expected = decision;
    const { now, maxStreams, onSampled } = this.#options;
    const answer = body.stream === true ? 'streamed' : 'whole';
    if (answer === 'streamed' && this.#streams >= maxStreams) {
      onSampled({
        decision,
        answer,
        firstByteMs: undefined,
        outcome: { kind: 'too_many' },
        usage: undefined,
      });
      return undefined;
    }
    if (answer === 'streamed') this.#streams++;
    const pickedAt = now();
    const tail = new AnswerTail();
    let firstByteMs: number | undefined;
    let begun: Begun = { kind: 'not_shown' };
    let isOver = false;
    return {
      answered: (status, server, encoding) => {
        if (server !== undefined && servedBy !== undefined) expected = servedBy(server);
        begun = status === 200 ? { kind: 'answered', server, encoding } : { kind: 'error_status' };
        if (answer === 'whole' && status === 200) firstByteMs = now() - pickedAt;
      },
      read: part => {
        tail.push(part);
        if (answer === 'streamed' && firstByteMs === undefined && saysSomething(path, part))
          firstByteMs = now() - pickedAt;
      },
      ended: () => {
        if (isOver) return;
        isOver = true;
        if (answer === 'streamed') this.#streams--;
        const found = this.#found(expected, path, begun, tail);
        onSampled({ decision, answer, firstByteMs, ...found });
      },
    };
  }

  #found(
    decision: RoutedDecision,
    path: string,
    begun: Begun,
    tail: AnswerTail,
  ): Pick<SampledAnswer, 'outcome' | 'usage'> {
    const unread = unreadBecause(decision, begun, tail);
    if (unread !== undefined) return { outcome: unread, usage: undefined };
    const usage = usageIn(tail.text(), path);
    const cachedTokens = usage && this.#cachedTokens(decision.pod, usage);
    if (cachedTokens === undefined) return { outcome: { kind: 'no_usage' }, usage };
    return {
      outcome: compared(decision, usage!.promptTokens, cachedTokens),
      usage: { ...usage!, cachedTokens },
    };
  }

  #cachedTokens(pod: Pod, { cachedTokens }: TokenUsage): number | undefined {
    if (cachedTokens !== undefined) this.#telling.add(pod);
    return cachedTokens ?? (this.#telling.has(pod) ? 0 : undefined);
  }
}

type Begun =
  | { readonly kind: 'answered'; readonly server: Pod | undefined; readonly encoding: AnswerEncoding }
  | { readonly kind: 'error_status' | 'not_shown' };

/** Why nothing is looked for in an answer; undefined: it is looked at. */
function unreadBecause(decision: RoutedDecision, begun: Begun, tail: AnswerTail): AnswerOutcome | undefined {
  if (begun.kind !== 'answered') return begun;
  if (begun.encoding === 'encoded') return { kind: 'encoded' };
  if (begun.server !== decision.pod) return { kind: 'other_pod' };
  return tail.isEmpty ? { kind: 'not_shown' } : undefined;
}

function saysSomething(path: string, part: Uint8Array): boolean {
  if (path !== '/v1/responses') return true;
  const bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
  // At the beginning of a line: within one it is a client's word, which the first events repeat.
  return bytes.toString('latin1', 0, FIRST_ITEM.length) === FIRST_ITEM || bytes.includes(`\n${FIRST_ITEM}`);
}

function compared({ tokens }: RoutedDecision, promptTokens: number, reportedTokens: number): AnswerOutcome {
  if (tokens === undefined || tokens.prompt === 0) return { kind: 'unpredicted' };
  const scale = promptTokens / tokens.prompt;
  const predictedTokens = Math.round(scale * (tokens.gpu + tokens.cpu + tokens.storage));
  const difference = reportedTokens - predictedTokens;
  const isSame = Math.abs(difference) < Math.max(1, scale * tokens.blockSizeTokens);
  const kind = isSame ? 'as_predicted' : difference > 0 ? 'more_cached' : 'less_cached';
  return { kind, promptTokens, predictedTokens, reportedTokens };
}
