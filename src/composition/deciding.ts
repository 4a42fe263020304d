/** What is kept of decisions, and the ones that would be made. */
import type { Config } from '../config.ts';
import type { ClientError } from '../domain.ts';
import { DecisionLog } from '../explain/decision-log.ts';
import { bounded, type KeptDecision, keptDecision, type Outcome } from '../explain/kept-decision.ts';
import type { DecisionRecord } from '../explain/record.ts';
import { tellDecision } from '../explain/tell.ts';
import { askDry, type DryRequest } from '../extproc/dry-exchange.ts';
import type { ExchangeOptions, SettledFact } from '../extproc/exchange.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { DecisionPages } from '../ops/admin/decision-routes.ts';
import type { Route, Steering } from '../routing/route.ts';
import { Slots } from '../slots.ts';
import { monotonicClock, wallClock } from '../time.ts';

export function createDecisionLog(config: Config): DecisionLog {
  return new DecisionLog({ tell: decision => tellDecision(decision, config) });
}

export interface DryRunsParts {
  readonly config: Config;
  /** The door's, as for real requests. */
  readonly exchange: ExchangeOptions;
  readonly health: PodsHealth;
  /** Decides without consequences. */
  readonly decide: Route;
}

/** Each may hold a prompt, and asks the engines' tokenizers. */
const AT_ONCE = 4;

export function createDryRuns({ config, exchange, health, decide }: DryRunsParts): DecisionPages['dryRun'] {
  const slots = new Slots(AT_ONCE);
  const options: ExchangeOptions = {
    ...exchange,
    watchNext: () => health.peekNext(),
    sampleNext: () => 'not_sampled',
  };

  return (asked, signal) => slots.run(signal, () => run(asked, signal));

  async function run(asked: DryRequest, signal: AbortSignal): Promise<DecisionRecord> {
    const startedAt = monotonicClock();
    const made = askDry(asked, options);
    const requestId = asked.headers.get('x-request-id') || options.newRequestId();
    const request =
      made.kind === 'route'
        ? made.request
        : { requestId, path: asked.headers.get(':path')!, steering: steeringOf(made) };
    const outcome = made.kind === 'route' ? await decide(made.request, signal) : undefined;
    const decided = keptDecision({
      request,
      traceId: undefined,
      atMs: wallClock(),
      decision: outcome?.decision ?? { kind: 'undecided' },
      course: outcome?.course,
      tookMs: monotonicClock() - startedAt,
    });
    // Whoever asks has written it.
    const model = outcome?.course?.model;
    const kept = { ...decided, model: model === undefined ? undefined : bounded(model) };
    const rejection = outcome?.decision.kind === 'rejected' ? outcome.decision.error : undefined;
    if (made.kind !== 'route') return tellDecision({ ...kept, outcome: settled(made) }, config);
    return tellDecision(
      rejection === undefined ? kept : { ...kept, outcome: inFull(rejection, kept) },
      config,
    );
  }
}

/** With what is wrong in the words of the request, which whoever asks has written. */
function inFull(error: ClientError, { outcome }: KeptDecision): Outcome {
  switch (error.kind) {
    case 'bad_strategy':
      return {
        kind: 'rejected',
        error: error.kind,
        why: `the routing-strategy header is refused: ${error.why}`,
      };
    case 'bad_filter':
      return {
        kind: 'rejected',
        error: error.kind,
        why: `the external-filter header is refused: ${error.reason}`,
      };
    default:
      return outcome;
  }
}

/** What the door settles by itself it does for everybody, but for errors. */
function steeringOf(made: SettledFact | { readonly kind: 'passed_on' }): Steering {
  return made.kind === 'rejected' ? made.steering : 'steered';
}

function settled(made: SettledFact | { readonly kind: 'passed_on' }): Outcome {
  switch (made.kind) {
    case 'rejected':
      return { kind: 'rejected', error: made.error.kind, why: undefined };
    case 'answered':
      return { kind: 'undecided', why: 'The router answers requests for the list of models itself.' };
    case 'undecided':
    case 'passed_on':
      return {
        kind: 'undecided',
        why: 'Requests of this method to this path are not routed by what they ask (docs/paths.md): Envoy balances them itself.',
      };
  }
}
