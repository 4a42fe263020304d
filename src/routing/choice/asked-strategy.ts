import type { Strategy } from '../../domain.ts';
import { parseStrategy } from '../../strategies.ts';
import type { RouteRequest } from '../route-request.ts';

/** What a request wants to be decided by. */
export type AskedStrategy =
  | { readonly kind: 'parsed'; readonly strategy: Strategy }
  | { readonly kind: 'invalid'; readonly error: { readonly strategy: string; readonly why: string } }
  /** Envoy's routes decide. */
  | { readonly kind: 'pass' };

const PREFIX_CACHE: Strategy = { kind: 'single', name: 'prefix-cache', text: 'prefix-cache' };

/**
 * The strategy that a request names, else the default one. `pass` only where Envoy has other routes than to the pod that is picked, and
 * where the body says for which model.
 */
export function askedStrategy(
  { strategy, unroutable, extent }: Pick<RouteRequest, 'strategy' | 'unroutable' | 'extent'>,
  byDefault: Strategy | 'pass',
): AskedStrategy {
  const text = strategy?.trim();
  if (text) {
    const parsed = parseStrategy(text);
    return parsed.kind === 'parsed'
      ? parsed
      : { kind: 'invalid', error: { strategy: text, why: parsed.why } };
  }
  if (byDefault !== 'pass') return { kind: 'parsed', strategy: byDefault };
  const hasRoutes = unroutable !== 'any_pod' && extent !== 'any_pod';
  return hasRoutes ? { kind: 'pass' } : { kind: 'parsed', strategy: PREFIX_CACHE };
}
