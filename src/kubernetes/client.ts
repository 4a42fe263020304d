/** Reads from the Kubernetes API over HTTP/1.1: a watch has its connection to itself, and ends with it. */
import { isDeepStrictEqual } from 'node:util';
import { Agent, type Dispatcher } from 'undici';
import { readBody } from '../bounded-body.ts';
import { untilAborted } from '../time.ts';
import type { Credentials, Environment, TlsAccess } from './credentials.ts';
import { kubeconfig } from './kubeconfig.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { SERVICE_ACCOUNT_DIRECTORY, serviceAccount } from './service-account.ts';
import { errorOfAnswer } from './status.ts';
import { readWatchEvents, type WatchEvent } from './watch-event.ts';

/** Query parameters; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface KubeClient {
  /** The namespace of the mounted ServiceAccount, or of the kubeconfig's context; else `default`. */
  readonly namespace: string;
  /**
   * The parsed JSON body of a success. Rejects with KubernetesError: `aborted` at once when `signal` is.
   * @param path `/api/v1/namespaces/x/pods`
   * @param maxBytes of the body; by default what any answer may have
   */
  get(path: string, query: Query, signal: AbortSignal, maxBytes?: number): Promise<unknown>;
  /**
   * Events until the API server ends the watch; fails with KubernetesError, `aborted` at once when `signal` is. Leaving the loop ends
   * the connection. `watch=true` is added to the query.
   */
  watch(path: string, query: Query, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Ends all connections, in use or not. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /**
   * All of the process's: `KUBECONFIG`; in a cluster `KUBERNETES_SERVICE_HOST` and `_PORT`; `HOME`; and what credential plugins
   * need.
   */
  readonly environment: Environment;
  /** Where a pod's ServiceAccount is mounted; to be given by tests alone. */
  readonly serviceAccountDirectory?: string;
  readonly maxAnswerBytes?: number;
  readonly maxEventBytes?: number;
}

/** etcd takes objects of 1.5 MB; a page of a list is far below, unless somebody else answers. */
const MAX_ANSWER_BYTES = 128 << 20;
const MAX_EVENT_BYTES = 8 << 20;
/** Of an answer that refuses. */
const MAX_STATUS_BYTES = 64 << 10;
const CONNECT_MS = 10_000;

/**
 * A client with the credentials of `KUBECONFIG` where that is set, in a cluster the mounted ServiceAccount's, else those of
 * `~/.kube/config`. Reads them, but does not talk to the API server yet. Rejects with KubernetesError (`no_credentials`).
 */
export async function connectKubernetes(options: ConnectOptions): Promise<KubeClient> {
  const { environment, serviceAccountDirectory = SERVICE_ACCOUNT_DIRECTORY } = options;
  const mounted = environment.KUBECONFIG
    ? undefined
    : await serviceAccount(environment, serviceAccountDirectory);
  const credentials = mounted ?? (await kubeconfig(environment));
  await credentials.read(new AbortController().signal);
  return new HttpKubeClient(credentials, options);
}

type Body = Dispatcher.ResponseData['body'];

class HttpKubeClient implements KubeClient {
  readonly namespace: string;
  readonly #credentials: Credentials;
  readonly #maxAnswerBytes: number;
  readonly #maxEventBytes: number;
  readonly #closing = new AbortController();
  #current: { readonly tls: TlsAccess; readonly agent: Agent } | undefined;
  /** With certificates that have been replaced since, until their last answer is over. */
  readonly #retired = new Set<Agent>();

  constructor(credentials: Credentials, options: ConnectOptions) {
    this.namespace = credentials.namespace;
    this.#credentials = credentials;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES;
    this.#maxEventBytes = options.maxEventBytes ?? MAX_EVENT_BYTES;
  }

  async get(
    path: string,
    query: Query,
    signal: AbortSignal,
    maxBytes = this.#maxAnswerBytes,
  ): Promise<unknown> {
    try {
      const body = await this.#open(path, query, signal);
      return parseJson(await readBody(body, maxBytes, tooLong(maxBytes)), path);
    } catch (error) {
      throw this.#errorOf(error, signal);
    }
  }

  async *watch(path: string, query: Query, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    let body: Body | undefined;
    try {
      body = await this.#open(path, { ...query, watch: true }, signal);
      yield { type: 'OPENED' };
      yield* readWatchEvents(body, this.#maxEventBytes);
    } catch (error) {
      throw this.#errorOf(error, signal);
    } finally {
      body?.destroy();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const agents = [...this.#retired, ...(this.#current ? [this.#current.agent] : [])];
    await Promise.all(agents.map(agent => agent.destroy()));
  }

  /** The body of a success. */
  async #open(path: string, query: Query, signal: AbortSignal): Promise<Body> {
    const target = path + searchOf(query);
    let answer = await this.#ask(target, signal);
    if (answer.statusCode === 401) {
      // A token may have been replaced since it was read, and what a plugin said may have been withdrawn.
      await readStatus(answer.body);
      this.#credentials.refused();
      answer = await this.#ask(target, signal);
    }
    const { statusCode, body, headers } = answer;
    if (statusCode === 200) return body;
    throw errorOfAnswer(statusCode, await readStatus(body), path, headers['retry-after']?.toString());
  }

  async #ask(target: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { authorization, tls } = await untilAborted(this.#credentials.read(signal), signal);
    const { origin, pathname, search } = new URL(this.#credentials.server + target);
    const headers = {
      accept: 'application/json',
      'user-agent': 'warmroute',
      ...(authorization !== undefined && { authorization }),
    };
    const agent = this.#agentWith(tls);
    // undici does not listen to the signal before there is a connection.
    const answer = await untilAborted(
      agent.request({ origin, path: pathname + search, method: 'GET', headers, signal }),
      signal,
    );
    answer.body.on('error', ignoreEnd);
    return answer;
  }

  #agentWith(tls: TlsAccess): Agent {
    this.#closing.signal.throwIfAborted();
    if (this.#current !== undefined && isDeepStrictEqual(this.#current.tls, tls)) return this.#current.agent;
    this.#retire();
    const agent = createAgent(tls, this.#closing.signal);
    this.#current = { tls, agent };
    return agent;
  }

  #retire(): void {
    const agent = this.#current?.agent;
    if (agent === undefined) return;
    this.#retired.add(agent);
    void agent.close().then(
      () => this.#retired.delete(agent),
      // Destroyed meanwhile.
      () => {},
    );
  }

  #errorOf(error: unknown, signal: AbortSignal): KubernetesError {
    if (signal.aborted || this.#closing.signal.aborted)
      return new KubernetesError('aborted', 'the request was cancelled');
    if (error instanceof KubernetesError) return error;
    const { code, message } = error as NodeJS.ErrnoException;
    return new KubernetesError(
      'unavailable',
      `no answer from the API server at ${this.#credentials.server}: ${code ?? message}`,
      {
        cause: error,
      },
    );
  }
}

/** Who reads a body learns of its end by reading; a body that is ended while nobody reads must not end the process. */
function ignoreEnd(): void {}

function createAgent(
  { ca, cert, key, serverName, serverCertificate }: TlsAccess,
  closing: AbortSignal,
): Agent {
  return new Agent({
    pipelining: 1,
    allowH2: false,
    // How long what is asked may take is the caller's affair.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(serverName !== undefined && { servername: serverName }),
      rejectUnauthorized: serverCertificate === 'verified',
      timeout: CONNECT_MS,
      // Ends also what has no connection yet, of which undici waits for the end.
      signal: closing,
    },
  });
}

function searchOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search}`;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubernetesError('malformed', `${path} answered with something that is no JSON`);
  }
}

function tooLong(maxBytes: number): () => KubernetesError {
  return () => new KubernetesError('too_long', `an answer is longer than ${maxBytes} bytes`);
}

function isTooLong(error: unknown): boolean {
  return error instanceof KubernetesError && error.kind === 'too_long';
}

/** Undefined where somebody else answered than an API server. */
async function readStatus(body: Body): Promise<unknown> {
  try {
    return JSON.parse(await readBody(body, MAX_STATUS_BYTES, tooLong(MAX_STATUS_BYTES)));
  } catch (error) {
    if (error instanceof SyntaxError || isTooLong(error)) return undefined;
    throw error;
  }
}
