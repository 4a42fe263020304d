/** Where the API server is and how to show it who we are. */
import { KubernetesError } from './kubernetes-error.ts';

/** As of one moment: files change and what plugins say expires. */
export interface Access {
  /** Value of the header `authorization`; undefined where a client certificate says it. */
  readonly authorization: string | undefined;
  readonly tls: TlsAccess;
}

/** PEM; undefined: Node's own list, or none. */
export interface TlsAccess {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name in the server's certificate, where it is not the host's. */
  readonly serverName: string | undefined;
  readonly serverCertificate: 'verified' | 'not_verified';
}

export interface Credentials {
  /** `https://10.96.0.1:443`, with the path that an API server behind a proxy has. No slash at the end. */
  readonly server: string;
  readonly namespace: string;
  /**
   * Reads all files again: ServiceAccount tokens are replaced while they are mounted, some ten minutes before they expire. Rejects
   * with KubernetesError (`no_credentials`). A plugin that runs ends with `signal`.
   */
  read(signal: AbortSignal): Promise<Access>;
  /** The API server has refused what was read last: what a plugin said is not kept any longer. */
  refused(): void;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export function noCredentials(message: string, cause?: unknown): KubernetesError {
  return new KubernetesError('no_credentials', message, { cause });
}

/** What may be in a header: a file with anything else is no token, or has more in it. */
const TOKEN = /^[\x21-\x7e]+$/;

/** @param from what the message calls where the token is from */
export function bearer(token: string, from: string): string {
  const trimmed = token.trim();
  if (!TOKEN.test(trimmed)) throw noCredentials(`${from} must hold a token, in one line, and nothing else`);
  return `Bearer ${trimmed}`;
}

/** Without user, password, query and a slash at the end. */
export function serverUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw noCredentials(`${from} must be a URL such as https://10.0.0.1:6443`);
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}
