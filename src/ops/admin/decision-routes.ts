/** The pages of the admin port that show decisions. */
import type { DecisionFilter } from '../../explain/decision-log.ts';
import type { DecisionRecord } from '../../explain/record.ts';
import { type AdminRoute, sendJson } from './route.ts';

export interface DecisionPages {
  recent(filter: DecisionFilter, limit: number): readonly DecisionRecord[];
  find(id: string): DecisionRecord | undefined;
}

const LIMIT = 50;
/** Each has some kilobytes, and all are written in one turn of the event loop. */
const MAX_LIMIT = 500;

/**
 * `GET /debug/decisions?limit=&model=&pod=&reason=`, newest first, and `GET /debug/decisions/<request id>`. Request ids, models and
 * prompts are clients' texts: whoever shows them escapes them.
 */
export function decisionRoutes(decisions: DecisionPages): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/debug/decisions',
      audience: 'operator',
      answer({ query, response }) {
        const limit = limitIn(query.get('limit'));
        if (limit === undefined)
          return sendJson(response, 400, { error: `limit must be a whole number from 1 to ${MAX_LIMIT}` });
        const of = (name: string) => query.get(name) || undefined;
        const filter = { model: of('model'), pod: of('pod'), reason: of('reason') };
        sendJson(response, 200, { decisions: decisions.recent(filter, limit) });
      },
    },
    {
      method: 'GET',
      path: '/debug/decisions/*',
      audience: 'operator',
      answer({ rest, response }) {
        const record = decisions.find(rest);
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
