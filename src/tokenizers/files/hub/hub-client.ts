/** The model hub's HTTP, as far as single files need it: `GET {endpoint}/{model}/resolve/{revision}/{file}`. */
import { createHttpStreams, type HttpStream } from '../../../http-client.ts';
import { HubError } from './hub-error.ts';

export interface HubClientOptions {
  readonly endpoint: URL;
  /** What the endpoint, and nobody else, is told; undefined: none. Rejects with HubError. */
  readonly token: (signal: AbortSignal) => Promise<string | undefined>;
  /** How long to wait for a connection, for an answer, and for more of it. */
  readonly silenceMs: number;
  readonly userAgent: string;
}

export interface HubFile {
  /** To be read, or discarded. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
  /** In hexadecimal, where the hub says it. */
  readonly sha256: string | undefined;
}

export interface HubClient {
  /** The name of the endpoint's host, for messages. */
  readonly host: string;
  /** The commit that is the model's main revision now. Rejects with HubError. */
  commitOf(model: string, file: string, signal: AbortSignal): Promise<string>;
  /** undefined: there is no such file in that commit. Rejects with HubError. */
  open(model: string, commit: string, file: string, signal: AbortSignal): Promise<HubFile | undefined>;
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What the hub gives large files as: their etag is the SHA-256 of the content (Git LFS). */
const SHA256 = /^(?:W\/)?"?([0-9a-f]{64})"?$/;
export const COMMIT = /^[0-9a-f]{7,64}$/;
/** A server that wants to be left alone for longer is asked again with all others that failed. */
const MAX_RETRY_AFTER_MS = 60_000;

interface Found {
  /** Of the last server that was asked. */
  readonly answer: HttpStream;
  /** What the endpoint itself said: nobody else is believed. */
  readonly commit: string | undefined;
  readonly sha256: string | undefined;
  readonly hadToken: boolean;
}

export function createHubClient(options: HubClientOptions): HubClient {
  const { endpoint, token: tokenOf, silenceMs, userAgent } = options;
  const { host } = endpoint;
  const http = createHttpStreams({ silenceMs });
  const unavailable = (reason: string, retryAfterMs = 0) =>
    new HubError({ kind: 'hub_unavailable', host, reason }, retryAfterMs);

  async function find(
    method: 'GET' | 'HEAD',
    model: string,
    revision: string,
    file: string,
    signal: AbortSignal,
  ): Promise<Found> {
    const token = await tokenOf(signal);
    const base = endpoint.href.replace(/[?#].*$/, '').replace(/\/+$/, '');
    let url = new URL(`${base}/${model}/resolve/${revision}/${file}`);
    let commit: string | undefined;
    let sha256: string | undefined;
    for (let redirects = 0; ; redirects++) {
      const isEndpoint = url.origin === endpoint.origin;
      const answer = await ask(method, url, isEndpoint ? token : undefined, signal);
      if (isEndpoint) {
        commit ??= answer.header('x-repo-commit');
        sha256 ??= SHA256.exec(answer.header('x-linked-etag') ?? '')?.[1];
      }
      const found = { answer, commit, sha256, hadToken: token !== undefined };
      const location = answer.header('location');
      if (!REDIRECTS.has(answer.status) || location === undefined) return found;
      await answer.discard();
      // The commit is all that is asked for by HEAD; where files are stored it may be refused.
      if (method === 'HEAD' && commit !== undefined) return found;
      if (redirects === MAX_REDIRECTS) throw unavailable(`more than ${MAX_REDIRECTS} redirects`);
      url = redirected(location, url);
    }
  }

  async function ask(
    method: 'GET' | 'HEAD',
    url: URL,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpStream> {
    const headers = {
      'user-agent': userAgent,
      'accept-encoding': 'identity',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    try {
      return await http.open(method, url, headers, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = error as NodeJS.ErrnoException;
      throw unavailable(`${url.host}: ${code ?? message}`);
    }
  }

  function redirected(location: string, from: URL): URL {
    const url = URL.parse(location, from.href);
    if (url === null) throw unavailable(`${from.host} redirects to what is no URL`);
    const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && endpoint.protocol === 'http:');
    if (!isSafe) throw unavailable(`${from.host} redirects to ${url.protocol}//, which is not https`);
    return url;
  }

  /** What an answer other than 200 means; undefined: there is no such file. */
  function errorOf({ answer: { status, header }, hadToken }: Found): HubError | undefined {
    const code = header('x-error-code');
    if (status === 404 && (code === undefined || code === 'EntryNotFound')) return undefined;
    if (status === 404 || (code === 'RepoNotFound' && status < 500))
      return new HubError({ kind: 'not_on_hub', host, hadToken });
    if (status === 401 && !hadToken && code !== 'GatedRepo')
      return new HubError({ kind: 'not_on_hub', host, hadToken });
    if (status === 401 || status === 403) return new HubError({ kind: 'hub_refuses', host, hadToken });
    return unavailable(`it answers ${status}`, retryAfterMs(header('retry-after')));
  }

  return {
    host,
    async commitOf(model, file, signal) {
      const found = await find('HEAD', model, 'main', file, signal);
      const { answer, commit, hadToken } = found;
      await answer.discard();
      if (answer.status !== 200 && !REDIRECTS.has(answer.status)) {
        const error = errorOf(found);
        if (error !== undefined) throw error;
        throw answer.header('x-error-code') === undefined
          ? new HubError({ kind: 'not_on_hub', host, hadToken })
          : new HubError({ kind: 'not_at_hub', host, file });
      }
      if (commit === undefined || !COMMIT.test(commit))
        throw unavailable('it names no commit (X-Repo-Commit): is HF_ENDPOINT a model hub?');
      return commit;
    },
    async open(model, commit, file, signal) {
      const found = await find('GET', model, commit, file, signal);
      const { answer, sha256 } = found;
      if (answer.status === 200) return { body: answer.body, discard: () => answer.discard(), sha256 };
      await answer.discard();
      const error = errorOf(found);
      if (error !== undefined) throw error;
      return undefined;
    },
    close: () => http.close(),
  };
}

/** Seconds, as hubs say it; a date is taken for nothing. */
function retryAfterMs(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text)
    ? Math.min(Number(text) * 1_000, MAX_RETRY_AFTER_MS)
    : 0;
}
