/** How much of the traffic is steered in the configuration at hand, and what is compared meanwhile. */
import type { Config } from '../config.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Logger } from '../ops/log/log.ts';
import { type RolloutReport, reportRollout } from '../ops/rollout-report.ts';
import type { WorthReport } from '../ops/worth-report.ts';
import { createPicker } from '../routing/policy.ts';
import { createShadowPolicy, type ShadowPolicy } from '../routing/rollout/shadow-policy.ts';
import { createRollout, type SteeringOf } from '../routing/rollout/steering.ts';
import { SETTINGS } from '../settings/settings.ts';

export interface Rollout {
  readonly steeringOf: SteeringOf;
  readonly onLeft: RolloutReport['left'];
  /** undefined: none is asked. */
  readonly shadowPolicy: ShadowPolicy | undefined;
}

export interface RolloutParts {
  readonly instruments: Instruments;
  readonly worth: WorthReport;
  readonly log: Logger;
}

export function rollOut(config: Config, { instruments, worth, log }: RolloutParts): Rollout {
  const { routingMode: mode, rolloutPercent: percent, shadowPolicy: strategy } = config;
  const report = reportRollout({ instruments, mode, worth });
  if (mode === 'shadow') log.info({ mode }, 'requests are decided, and all of them are left to Envoy');
  else if (percent < 100) log.info({ mode, percent }, 'a share of the requests is left to Envoy');
  for (const warning of rolloutWarnings(config)) log.warn({ mode, percent }, warning);
  return {
    steeringOf: createRollout({ mode, percent }),
    onLeft: report.left,
    shadowPolicy:
      strategy &&
      createShadowPolicy({
        ...{ strategy, pick: createPicker(config), costs: config, random: Math.random },
        onCompared: report.compared,
      }),
  };
}

const [MODE, PERCENT, DISCOVERY] = [
  SETTINGS.routingMode.names[0],
  SETTINGS.rolloutPercent.names[0],
  SETTINGS.discovery.names[0],
];

/** What an operator should know of these settings together. */
export function rolloutWarnings(
  config: Pick<Config, 'routingMode' | 'rolloutPercent' | 'discovery'>,
): string[] {
  const { routingMode, rolloutPercent, discovery } = config;
  const warnings: string[] = [];
  if (routingMode === 'shadow' && rolloutPercent < 100)
    warnings.push(`${PERCENT} has no effect with ${MODE}=shadow: no request is routed`);
  if ((routingMode === 'shadow' || rolloutPercent < 100) && discovery?.includes('inference-pool'))
    warnings.push(
      `${DISCOVERY} names inference-pool: an inference gateway may answer 5xx to a request for which no pod is named. ` +
        `Unset ${MODE} and ${PERCENT}, and split the traffic by the weights of its HTTPRoute (docs/rollout.md)`,
    );
  return warnings;
}
