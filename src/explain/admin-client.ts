/** Asks a router's admin port about decisions. */
import { AnswerTooLong, createHttpClient, type HttpAnswer } from '../http-client.ts';
import { printable } from '../printable.ts';
import type { DecisionRecord } from './record.ts';

/** Why there is no record, in words for whoever asked. */
export class ExplainFailure extends Error {
  override readonly name = 'ExplainFailure';
}

export interface DryRunRequest {
  /** undefined: the body is an envelope that has it. */
  readonly path: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const MAX_ANSWER_BYTES = 16 << 20;
/** A decision takes two seconds at most, and the request has to be read before. */
const PATIENCE_MS = 30_000;

/** The decision that the request would meet. @throws ExplainFailure */
export async function askDryRun(
  admin: URL,
  { path, headers, body }: DryRunRequest,
  ending: AbortSignal,
): Promise<DecisionRecord> {
  const page = path === undefined ? '/debug/route' : `/debug/route?${new URLSearchParams({ path })}`;
  const sent = { ...headers, 'content-type': 'application/json' };
  return recordIn(await ask({ admin, page, headers: sent, body }, ending), admin);
}

/** The newest decision for a request with this id. @throws ExplainFailure */
export async function askDecision(admin: URL, id: string, ending: AbortSignal): Promise<DecisionRecord> {
  // Not as a part of the path: `..` would be none.
  const page = `/debug/decisions?${new URLSearchParams({ id, limit: '1' })}`;
  const { decisions } = await ask({ admin, page, headers: {}, body: undefined }, ending);
  if (!Array.isArray(decisions)) throw new ExplainFailure(noDecision(admin));
  if (decisions.length === 0)
    throw new ExplainFailure(
      `${admin.origin} knows no decision for the request ${printable(id, 80)}. ${WHY_UNKNOWN}`,
    );
  return recordIn(decisions[0], admin);
}

/** Something else may listen there, and answer 200 to anything. */
function recordIn(value: unknown, admin: URL): DecisionRecord {
  const record = Object(value) as Partial<Record<keyof DecisionRecord, unknown>>;
  const isRecord =
    [record.id, record.at, record.path, record.outcome].every(each => typeof each === 'string') &&
    [record.candidates, record.policy, record.stages].every(Array.isArray);
  if (!isRecord) throw new ExplainFailure(noDecision(admin));
  return value as DecisionRecord;
}

function noDecision({ origin }: URL): string {
  return `${origin} answers, but not with decisions: it is no admin port of Warmroute, or one of another version`;
}

const WHY_UNKNOWN =
  'It keeps the last 10,000 of this replica since its start; ask the replica that decided, with the request id that the access log or the response header request-id has';

interface Question {
  readonly admin: URL;
  /** Path and query. */
  readonly page: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

async function ask({ admin, page, headers, body }: Question, ending: AbortSignal): Promise<Json> {
  const client = createHttpClient({
    ...{ base: admin, headers, trust: { kind: 'system' }, maxAnswerBytes: MAX_ANSWER_BYTES },
  });
  let answered: HttpAnswer;
  try {
    const signal = AbortSignal.any([ending, AbortSignal.timeout(PATIENCE_MS)]);
    answered = await client.ask(page, body, signal);
  } catch (error) {
    ending.throwIfAborted();
    const isTooLong = error instanceof AnswerTooLong;
    const why = isTooLong ? 'its answer is too long' : printable((error as Error).message, 200);
    throw new ExplainFailure(
      `${admin.origin} cannot be asked: ${why}. Is the router running, and this its admin port (WARMROUTE_ADMIN_ADDRESS)? --admin names another one`,
    );
  } finally {
    await client.close();
  }
  const { status, text } = answered;
  const answer = jsonIn(text);
  if (status === 200 && answer !== undefined) return answer;
  throw new ExplainFailure(refusal(admin, status, answer));
}

function refusal({ origin }: URL, status: number, answer: Json | undefined): string {
  const why = typeof answer?.error === 'string' ? printable(answer.error, 1_000) : '';
  if (status === 403)
    return `${origin} refuses to tell: ${why || 'it says 403'}. Run this on the router’s own host or pod, or set WARMROUTE_ADMIN_DEBUG=true there`;
  if (why === '' || status === 404)
    return `${origin} answers ${status}: it is no admin port of Warmroute, or one of a version without decisions`;
  return `${origin} answers ${status}: ${why}`;
}

type Json = Readonly<Record<string, unknown>>;

function jsonIn(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
