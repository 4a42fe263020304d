/**
 * Credentials from a plugin, as managed clusters have them (`aws eks get-token`, `gke-gcloud-auth-plugin`, `kubelogin`). The protocol:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { wallClock } from '../time.ts';
import { bearer, type Environment, noCredentials } from './credentials.ts';

export const execSchema = z.object({
  apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});

const answerSchema = z.object({
  kind: z.literal('ExecCredential'),
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
});

export interface ExecCredential {
  readonly authorization: string | undefined;
  /** PEM. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface ExecPlugin {
  /** Runs the plugin, unless what it said last still counts. Rejects with KubernetesError, which has nothing of its output. */
  read(signal: AbortSignal): Promise<ExecCredential>;
  /** What it said last does not count any more. */
  forget(): void;
}

/** A plugin that waits for somebody to log in waits for ever. */
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1 << 20;
/** So that a credential does not expire on its way. */
const EARLY_MS = 10_000;

const run = promisify(execFile);

/** @param directory that a command with a slash is relative to: the kubeconfig's */
export function createExecPlugin(
  { apiVersion, command, args, env }: z.infer<typeof execSchema>,
  directory: string,
  environment: Environment,
): ExecPlugin {
  const file = command.includes('/') ? resolve(directory, command) : command;
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  let kept: { readonly credential: ExecCredential; readonly untilMs: number } | undefined;

  async function ask(signal: AbortSignal): Promise<string> {
    try {
      const { stdout } = await run(file, args ?? [], {
        env: {
          ...environment,
          ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
          KUBERNETES_EXEC_INFO: JSON.stringify(info),
        },
        signal,
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
      });
      return stdout;
    } catch (error) {
      // Neither the error nor its message: they hold what the plugin wrote.
      const { code, signal } = error as { readonly code?: string | number; readonly signal?: string };
      throw noCredentials(
        `the credential plugin ${file} failed (${code ?? signal}): does it work by hand, without a terminal?`,
      );
    }
  }

  return {
    async read(signal) {
      if (kept !== undefined && wallClock() < kept.untilMs) return kept.credential;
      const { status } = parse(await ask(signal), file);
      const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status;
      const authorization =
        token === undefined ? undefined : bearer(token, `the answer of the credential plugin ${file}`);
      const untilMs =
        expirationTimestamp === undefined
          ? Number.POSITIVE_INFINITY
          : Date.parse(expirationTimestamp) - EARLY_MS;
      const credential = { authorization, cert, key };
      kept = { credential, untilMs };
      return credential;
    },
    forget() {
      kept = undefined;
    },
  };
}

function parse(text: string, file: string): z.infer<typeof answerSchema> {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch {
    throw noCredentials(`the credential plugin ${file} answered something that is no ExecCredential`);
  }
}
