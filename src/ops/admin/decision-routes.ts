/** The pages of the admin port that show decisions. */
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DecisionFilter } from '../../explain/decision-log.ts';
import type { DecisionRecord } from '../../explain/record.ts';
import type { DryRequest } from '../../extproc/dry-exchange.ts';
import { Slots } from '../../slots.ts';
import { readDryRequest } from './dry-run-request.ts';
import { type AdminRoute, send, sendJson } from './route.ts';

export interface DecisionPages {
  /** Those that were made, newest first. */
  readonly recent: (filter: DecisionFilter, limit: number) => Iterable<DecisionRecord>;
  /** The decision that a request would meet. Never rejects. */
  readonly dryRun: (request: DryRequest, signal: AbortSignal) => Promise<DecisionRecord>;
  /** How bodies come where a dry run does not say so. */
  readonly defaultMode: DryRequest['mode'];
}

const LIMIT = 50;
/** Each has some kilobytes. */
const MAX_LIMIT = 500;
/** Two milliseconds, where each has eighteen candidates. */
const WRITTEN_PER_TURN = 20;

/** Of a request that is asked about; the longest prompts have some megabytes. */
const MAX_BODY_BYTES = 8 << 20;

/**
 * `POST /debug/route`, the decision that a request would meet; `GET /debug/decisions?limit=&id=&model=&pod=&reason=`, newest first, and `GET /debug/decisions/<request id>`. Request ids, models and
 * prompts are clients' texts: whoever shows them escapes them.
 */
export function decisionRoutes({ recent, dryRun, defaultMode }: DecisionPages): readonly AdminRoute[] {
  const lists = new Slots(1);
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
        sendJson(response, 200, await dryRun(read.request, goneFrom(response)));
      },
    },
    {
      method: 'GET',
      path: '/debug/decisions',
      audience: 'operator',
      async answer({ query, response }) {
        const limit = limitIn(query.get('limit'));
        if (limit === undefined)
          return sendJson(response, 400, { error: `limit must be a whole number from 1 to ${MAX_LIMIT}` });
        const of = (name: string) => query.get(name) || undefined;
        const filter = { id: of('id'), model: of('model'), pod: of('pod'), reason: of('reason') };
        const text = await lists.run(goneFrom(response), () => listText(recent(filter, limit)));
        send(response, 200, 'application/json', text);
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

/** Written a part in each turn of the event loop: all of it would keep requests waiting. */
async function listText(records: Iterable<DecisionRecord>): Promise<string> {
  const texts: string[] = [];
  for (const record of records) {
    if (texts.length % WRITTEN_PER_TURN === WRITTEN_PER_TURN - 1) await nextTurn();
    texts.push(JSON.stringify(record));
  }
  return `{"decisions":[${texts.join()}]}`;
}

/** Aborts when nobody waits for the answer any more. */
function goneFrom(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

const NOT_KNOWN =
  'no decision with this request id is known: it was made by another replica or before the last restart, was settled before a decision, or others have taken its place';

function limitIn(text: string | null): number | undefined {
  if (text === null || text === '') return LIMIT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : undefined;
}
