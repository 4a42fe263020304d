import { createPicker, DEFAULT_COSTS, type PolicyOptions } from '../routing/policy.ts';
import { parseStrategy } from '../strategies.ts';
import { type NamedPolicy, withoutAccount } from './policy.ts';

/** Defaults of `AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT` and `AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR`. */
const DEFAULTS: PolicyOptions = { imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS };

/** Text that names no policy. */
export class PolicyNameError extends Error {}

/** The router's own policy of this name, or weighted list of them, `prefix-cache:2+least-request:1`: what is simulated is what runs. */
export function routerPolicy(name: string): NamedPolicy {
  const parsed = parseStrategy(name.replaceAll('+', ','));
  if (parsed.kind === 'invalid') throw new PolicyNameError(`policy ${name}: ${parsed.why}`);
  const { strategy } = parsed;
  return {
    name,
    create: () => {
      const pick = createPicker(DEFAULTS);
      return withoutAccount(snapshot => pick(strategy, snapshot).index);
    },
  };
}
