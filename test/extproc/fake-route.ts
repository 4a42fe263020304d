/** A route whose decisions the test makes, and whose accounting it counts. */
import type { Decision } from '../../src/domain.ts';
import type { Answer, Route, RouteOutcome, RouteRequest } from '../../src/routing/route.ts';
import { aRoutedDecision } from '../support/builders.ts';

export class RouteCall {
  readonly request: RouteRequest;
  readonly signal: AbortSignal;
  /** Settles at the first release. */
  readonly released: Promise<void>;
  releases = 0;
  readonly answers: Answer[] = [];
  readAnswer: RouteOutcome['readAnswer'];
  readonly #outcome = Promise.withResolvers<RouteOutcome>();
  readonly #release = Promise.withResolvers<void>();

  constructor(request: RouteRequest, signal: AbortSignal) {
    this.request = request;
    this.signal = signal;
    this.released = this.#release.promise;
  }

  get outcome(): Promise<RouteOutcome> {
    return this.#outcome.promise;
  }

  decide(decision: Decision = aRoutedDecision()): void {
    this.#outcome.resolve({
      decision,
      course: undefined,
      answered: answer => {
        this.answers.push(answer);
        return undefined;
      },
      readAnswer: this.readAnswer,
      release: () => {
        this.releases++;
        this.#release.resolve();
      },
    });
  }

  fail(error: Error): void {
    this.#outcome.reject(error);
  }
}

export class FakeRoute {
  readonly #all: RouteCall[] = [];
  readonly #calls: RouteCall[] = [];
  readonly #waiting: ((call: RouteCall) => void)[] = [];

  readonly route: Route = (request, signal) => {
    const call = new RouteCall(request, signal);
    this.#all.push(call);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(call);
    else this.#calls.push(call);
    return call.outcome;
  };

  /** Makes every decision that is still pending, so that a server can be drained. */
  decideAll(): void {
    for (const call of this.#all) call.decide();
  }

  /** The next decision that is asked for. */
  asked(): Promise<RouteCall> {
    const call = this.#calls.shift();
    return call ? Promise.resolve(call) : new Promise(resolve => this.#waiting.push(resolve));
  }
}
