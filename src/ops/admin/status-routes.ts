/** The pages of the admin port that only show something. */
import { type AdminExchange, type AdminRoute, send, sendJson } from './route.ts';

export interface StatusParts {
  /** Answers /metrics in full. */
  readonly metrics: (exchange: AdminExchange) => void | Promise<void>;
  readonly isReady: () => { readonly ready: boolean; readonly why: string };
  /** Of this program; `/version` shows it. */
  readonly version: string;
  /** Every model name that can be asked for and the base model behind it. */
  readonly models: () => readonly { readonly id: string; readonly root: string }[];
  /** What `/debug/publishers` shows: anything that is JSON. */
  readonly publishers: () => readonly unknown[];
  /** What `/debug/pods` shows: anything that is JSON. */
  readonly pods: () => readonly unknown[];
  /** What `/debug/tokenizers` shows: anything that is JSON. */
  readonly tokenizers: () => readonly unknown[];
  readonly now?: () => number;
}

/**
 * `/healthz` (the process runs), `/readyz` (200, or 503 while requests should go to another replica, and why), `/metrics`, `/version`,
 * `/debug/pods` (each pod: health and why, requests in flight, seen and failed, ports), `/debug/publishers` (each event stream: state,
 * sequence, lag, blocks, last errors), `/debug/tokenizers` (each model whose tokens are computed in process: its files, and whether they
 * are the engine's at which endpoint), and `/v1/models` in OpenAI's list format.
 */
export function statusRoutes(parts: StatusParts): readonly AdminRoute[] {
  const { metrics, isReady, version, models, publishers, pods, tokenizers, now = Date.now } = parts;
  // OpenAI clients require a creation time; ours is the same for all models while the process lives.
  const created = Math.floor(now() / 1000);
  const toModel = ({ id, root }: { readonly id: string; readonly root: string }) => ({
    ...{ id, object: 'model', created, owned_by: 'warmroute', root },
  });

  return [
    page('/healthz', 'network', ({ response }) => send(response, 200, 'text/plain; charset=utf-8', 'ok')),
    page('/readyz', 'network', ({ response }) => {
      const { ready, why } = isReady();
      sendJson(response, ready ? 200 : 503, { ready, why });
    }),
    page('/metrics', 'network', metrics),
    page('/version', 'network', ({ response }) => sendJson(response, 200, { version })),
    page('/debug/pods', 'operator', ({ response }) => sendJson(response, 200, { pods: pods() })),
    page('/debug/publishers', 'operator', ({ response }) =>
      sendJson(response, 200, { publishers: publishers() }),
    ),
    page('/debug/tokenizers', 'operator', ({ response }) =>
      sendJson(response, 200, { tokenizers: tokenizers() }),
    ),
    page('/v1/models', 'operator', ({ response }) =>
      sendJson(response, 200, { object: 'list', data: models().map(toModel) }),
    ),
  ];
}

function page(
  path: string,
  audience: AdminRoute['audience'],
  answer: (exchange: AdminExchange) => void | Promise<void>,
): AdminRoute {
  return { method: 'GET', path, audience, answer };
}
