/** What the door makes of a request that nobody has sent: the same that it makes of Envoy's messages, without a stream. */
import type { RouteRequest } from '../routing/route.ts';
import type { BodyLease } from './body/body-memory.ts';
import type { Headers } from './headers.ts';
import { type UnsaidMode, unsaidModes } from './incoming.ts';
import { type Action, type ExchangeOptions, RequestSide, type SettledFact } from './request-side.ts';

export interface DryRequest {
  /** Lower-case name → value, `:path` and `:method` among them. */
  readonly headers: Headers;
  /** The pods that a gateway would allow; undefined: it says nothing. */
  readonly subset: readonly string[] | undefined;
  /** Empty: it has none. */
  readonly body: Buffer;
  /** How a proxy would send it. */
  readonly mode: UnsaidMode;
}

export type DryAsked =
  | { readonly kind: 'route'; readonly request: RouteRequest }
  /** The door would answer it itself. */
  | SettledFact
  /** It would go on without a decision. */
  | { readonly kind: 'passed_on' };

/** Nothing of the memory that the bodies of real requests share. */
const UNCOUNTED: BodyLease = { resize: () => true, keep() {}, release() {} };

export function askDry({ headers, subset, body, mode }: DryRequest, options: ExchangeOptions): DryAsked {
  const side = new RequestSide(unsaidModes(mode), options, UNCOUNTED);
  const actions = side.receive({ kind: 'request_headers', headers, subset, endOfStream: body.length === 0 });
  if (body.length > 0 && !actions.some(isRoute))
    actions.push(...side.receive({ kind: 'request_body', body, endOfStream: true }));
  const [fact] = side.takeFacts();
  return actions.find(isRoute) ?? fact ?? { kind: 'passed_on' };
}

function isRoute(action: Action): action is Extract<Action, { kind: 'route' }> {
  return action.kind === 'route';
}
