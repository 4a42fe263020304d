/** What the router leaves to Envoy, and how two policies compare, as metrics. */

import type { LeftRequest } from '../routing/rollout/left.ts';
import type { ComparedPicks } from '../routing/rollout/shadow-policy.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { WorthReport } from './worth-report.ts';

export interface RolloutReportParts {
  readonly instruments: Instruments;
  readonly mode: 'route' | 'shadow';
  readonly worth: Pick<WorthReport, 'decided'>;
}

export function reportRollout({ instruments, mode, worth }: RolloutReportParts) {
  instruments.mode.onScrape(set => set(1, { mode }));
  return {
    /** A request that Envoy has balanced is over. */
    left({ decision, served }: LeftRequest): void {
      const { model, pod, reason } = decision;
      if (reason === 'cancelled') return;
      const went = served === undefined ? 'unknown' : served.pod.name === pod.name ? 'same' : 'other';
      instruments.agreement.add(1, { model, went });
      if (served !== undefined) worth.decided(served);
    },

    compared({ policy, isSame, active, shadow }: ComparedPicks): void {
      instruments.shadowPicks.add(1, { policy, same: isSame ? 'true' : 'false' });
      for (const [picked_by, { costMs, cachedTokens }] of [
        ['active', active],
        ['shadow', shadow],
      ] as const) {
        instruments.shadowCost.add(costMs / 1_000, { policy, picked_by });
        instruments.shadowCached.add(cachedTokens, { policy, picked_by });
      }
    },
  };
}

export type RolloutReport = ReturnType<typeof reportRollout>;
