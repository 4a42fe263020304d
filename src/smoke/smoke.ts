/** `warmroute smoke`: asks a gateway from outside whether the second of two prompts with one prefix is served warm. */
import { randomUUID } from 'node:crypto';
import {
  AnswerTooLong,
  createHttpClient,
  type HttpAnswer,
  type HttpClient,
  type Trust,
} from '../http-client.ts';
import { printable } from '../printable.ts';
import { deadlineAfter, monotonicClock, realSleep, type Sleep } from '../time.ts';
import { memberOf, type Observation, observationOf } from './observation.ts';
import { type Api, PATHS, promptPair } from './prompts.ts';
import { SmokeFailure } from './smoke-failure.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export interface SmokeOptions {
  /** Where clients send what they ask: `https://llm.example`. A `/v1` at its end is left out. */
  readonly gateway: URL;
  /** Undefined: the first one that the gateway lists. */
  readonly model: string | undefined;
  readonly api: Api;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: Trust;
  /** Between the two prompts: for the engine's events to arrive, also at other replicas of the router. */
  readonly pauseMs: number;
  /** Of the whole check. */
  readonly timeoutMs: number;
}

export interface SmokeParts {
  readonly ending: AbortSignal;
  readonly sleep?: Sleep;
}

export interface SmokeResult {
  readonly url: string;
  readonly model: string;
  readonly first: Observation;
  readonly second: Observation;
  readonly verdict: Verdict;
}

/** Rejects with SmokeFailure where the prompts are not served, and with the reason of `ending`. */
export async function smoke(options: SmokeOptions, parts: SmokeParts): Promise<SmokeResult> {
  const { api, pauseMs, timeoutMs } = options;
  const base = new URL(options.gateway.pathname.replace(/(\/v1)?\/*$/, '') || '/', options.gateway);
  const headers = { ...options.headers, 'x-warmroute-debug': '1' };
  const client = createHttpClient({ base, headers, trust: options.trust });
  const late = new SmokeFailure(`not done within ${timeoutMs / 1_000} s (--timeout)`);
  const deadline = deadlineAfter(timeoutMs, parts.ending, late);
  try {
    const { signal } = deadline;
    const model = options.model ?? (await firstModel(client, signal));
    const [one, other] = promptPair(api, model, randomUUID());
    const first = await observe(client, api, one, signal);
    await (parts.sleep ?? realSleep)(pauseMs, signal);
    const second = await observe(client, api, other, signal);
    return {
      url: base.origin + base.pathname.replace(/\/$/, '') + PATHS[api],
      ...{ model: printable(model, 100), first, second },
      verdict: verdictOf(first, second),
    };
  } catch (error) {
    parts.ending.throwIfAborted();
    throw deadline.signal.aborted ? late : failureOf(error);
  } finally {
    deadline.clear();
    await client.close();
  }
}

async function firstModel(client: HttpClient, signal: AbortSignal): Promise<string> {
  const answer = await client.ask('/v1/models', undefined, signal);
  const data = memberOf(contentOf(answer, 'GET /v1/models'), 'data');
  const id = memberOf(Array.isArray(data) ? data[0] : undefined, 'id');
  if (typeof id !== 'string') throw new SmokeFailure('GET /v1/models lists no model: name one with --model');
  return id;
}

async function observe(
  client: HttpClient,
  api: Api,
  body: object,
  signal: AbortSignal,
): Promise<Observation> {
  const started = monotonicClock();
  const answer = await client.ask(PATHS[api], body, signal);
  const ms = monotonicClock() - started;
  const content = contentOf(answer, `POST ${PATHS[api]}`);
  if (!Array.isArray(memberOf(content, 'choices'))) {
    throw new SmokeFailure(
      `POST ${PATHS[api]} was answered 200, but not as the OpenAI API is: ${printable(answer.text, 200)}`,
    );
  }
  return observationOf(answer, content, ms);
}

const ADVICE: Readonly<Record<number, string>> = {
  401: 'the gateway wants a key: --api-key-file, or --header',
  403: 'the gateway lets this client not in: --api-key-file, or --header',
  404: 'name a model that is served with --model, or the other API with --api',
};

/** The JSON of an answer with 200; throws SmokeFailure for any other. */
function contentOf({ status, header, text }: HttpAnswer, what: string): unknown {
  const type = header('content-type') ?? 'no content type';
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  if (status === 200 && content !== undefined) return content;
  if (status >= 300 && status < 400) {
    throw new SmokeFailure(
      `${what} was answered ${status}, to ask at ${printable(header('location') ?? '?', 200)}: give that URL`,
    );
  }
  const error = memberOf(content, 'error') ?? content;
  const message = memberOf(error, 'message') ?? memberOf(error, 'detail') ?? error;
  const said = typeof message === 'string' ? message : content === undefined ? text : JSON.stringify(content);
  const advice =
    status === 200 || (status < 500 && /\bhtml\b/.test(type))
      ? `it is ${printable(type, 60)} and no JSON: is this the URL of the gateway?`
      : ADVICE[status];
  throw new SmokeFailure(
    `${what} was answered ${status}: ${printable(said, 200) || 'nothing'}${advice === undefined ? '' : `\n${advice}`}`,
  );
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ECONNRESET: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed before there was an answer',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: --ca, or --insecure',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of an unknown authority: --ca, or --insecure',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is of an unknown authority: --ca, or --insecure',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is of an unknown authority: --ca, or --insecure',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: ask by that name, or --insecure',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: is it http://?',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP: is it https://?',
};

function failureOf(error: unknown): SmokeFailure {
  if (error instanceof SmokeFailure) return error;
  if (error instanceof AnswerTooLong)
    return new SmokeFailure(`${error.message}: is this the URL of the gateway?`);
  const { code = '', message } = error as NodeJS.ErrnoException;
  const cause = CAUSES[code] ?? (printable(message, 200) || code);
  return new SmokeFailure(`the gateway cannot be asked: ${cause}`);
}
