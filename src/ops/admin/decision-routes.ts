/** The pages of the admin port that show decisions. */
import type { DecisionFilter } from '../../explain/decision-log.ts';
import type { DecisionRecord } from '../../explain/record.ts';
import type { DryRequest } from '../../extproc/dry-exchange.ts';
import { readDryRequest } from './dry-run-request.ts';
import { type AdminRoute, sendJson } from './route.ts';

export interface DecisionPages {
  /** Those that were made, newest first. */
  readonly recent: (filter: DecisionFilter, limit: number) => readonly DecisionRecord[];
  /** The decision that a request would meet. Never rejects. */
  readonly dryRun: (request: DryRequest, signal: AbortSignal) => Promise<DecisionRecord>;
  /** How bodies come where a dry run does not say so. */
  readonly defaultMode: DryRequest['mode'];
}

const LIMIT = 50;
/** Each has some kilobytes, and all are written in one turn of the event loop. */
const MAX_LIMIT = 500;

/** Of a request that is asked about; the longest prompts have some megabytes. */
const MAX_BODY_BYTES = 8 << 20;

/**
 * `POST /debug/route`, the decision that a request would meet; `GET /debug/decisions?limit=&id=&model=&pod=&reason=`, newest first, and `GET /debug/decisions/<request id>`. Request ids, models and
 * prompts are clients' texts: whoever shows them escapes them.
 */
export function decisionRoutes({ recent, dryRun, defaultMode }: DecisionPages): readonly AdminRoute[] {
  return [
    {
      method: 'POST',
      path: '/debug/route',
      audience: 'operator',
      maxBodyBytes: MAX_BODY_BYTES,
      async answer({ request, response, query }, body) {
        const path = query.get('path') ?? undefined;
        const read = readDryRequest({ headers: request.headers, path, body, defaultMode });
        if (read.kind === 'invalid') return sendJson(response, 400, { error: read.why });
        const gone = new AbortController();
        response.once('close', () => gone.abort());
        sendJson(response, 200, await dryRun(read.request, gone.signal));
      },
    },
    {
      method: 'GET',
      path: '/debug/decisions',
      audience: 'operator',
      answer({ query, response }) {
        const limit = limitIn(query.get('limit'));
        if (limit === undefined)
          return sendJson(response, 400, { error: `limit must be a whole number from 1 to ${MAX_LIMIT}` });
        const of = (name: string) => query.get(name) || undefined;
        const filter = { id: of('id'), model: of('model'), pod: of('pod'), reason: of('reason') };
        sendJson(response, 200, { decisions: recent(filter, limit) });
      },
    },
    {
      method: 'GET',
      path: '/debug/decisions/*',
      audience: 'operator',
      answer({ rest, response }) {
        const [record] = recent({ id: rest, model: undefined, pod: undefined, reason: undefined }, 1);
        if (record === undefined) sendJson(response, 404, { error: NOT_KNOWN });
        else sendJson(response, 200, record);
      },
    },
  ];
}

const NOT_KNOWN =
  'no decision with this request id is known: it was made by another replica or before the last restart, was settled before a decision, or others have taken its place';

function limitIn(text: string | null): number | undefined {
  if (text === null || text === '') return LIMIT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : undefined;
}
