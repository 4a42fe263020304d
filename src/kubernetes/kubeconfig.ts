/**
 * Credentials from kubeconfig files, as kubectl reads them: the first file that has an entry or the current context counts, and paths
 * are relative to their file. The format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import {
  type Access,
  bearer,
  type Credentials,
  type Environment,
  noCredentials,
  serverUrl,
} from './credentials.ts';
import { createExecPlugin, type ExecPlugin, execSchema } from './exec-plugin.ts';

const entriesSchema = z.array(z.looseObject({ name: z.string() })).nullish();
const fileSchema = z.object({
  'current-context': z.string().nullish(),
  clusters: entriesSchema,
  users: entriesSchema,
  contexts: entriesSchema,
});

const contextSchema = z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() });
const clusterSchema = z.object({
  server: z.string(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'tls-server-name': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'proxy-url': z.string().optional(),
});
const userSchema = z.object({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  username: z.string().optional(),
  'auth-provider': z.unknown().optional(),
  exec: execSchema.nullish(),
});
type Cluster = z.infer<typeof clusterSchema>;
type User = z.infer<typeof userSchema>;

interface KubeconfigFile {
  readonly path: string;
  readonly content: z.infer<typeof fileSchema>;
}

/** One entry, and where it was found. */
interface Found<T> {
  readonly value: T;
  readonly path: string;
}

/** Rejects with KubernetesError where there is no kubeconfig, or one that names no API server. */
export async function kubeconfig(environment: Environment): Promise<Credentials> {
  const paths = pathsOf(environment);
  const files = await readFiles(paths);
  // Whoever switches kubectl to another cluster does not mean a router that runs.
  const context = currentContext(files, paths);
  const { cluster, namespace } = select(files, context);
  const server = serverUrl(cluster.value.server, `${cluster.path}: the cluster's server`);
  let plugin: { readonly spec: string; readonly ask: ExecPlugin } | undefined;

  /** The plugin's answer is kept for as long as its entry is the same. */
  function pluginOf(exec: NonNullable<User['exec']>, path: string): ExecPlugin {
    const spec = JSON.stringify([exec, path]);
    if (plugin?.spec !== spec) plugin = { spec, ask: createExecPlugin(exec, dirname(path), environment) };
    return plugin.ask;
  }

  return {
    server,
    namespace: namespace || 'default',
    async read(signal): Promise<Access> {
      const { cluster, user } = select(await readFiles(paths), context);
      refuseUnsupported(cluster, user);
      const { exec } = user.value;
      const said = exec ? await pluginOf(exec, user.path).read(signal) : undefined;
      const isVerified = cluster.value['insecure-skip-tls-verify'] !== true;
      return {
        authorization: said?.authorization ?? (await authorizationOf(user)),
        tls: {
          ca: await pem(cluster, 'certificate-authority'),
          cert: said?.cert ?? (await pem(user, 'client-certificate')),
          key: said?.key ?? (await pem(user, 'client-key')),
          serverName: cluster.value['tls-server-name'],
          serverCertificate: isVerified ? 'verified' : 'not_verified',
        },
      };
    },
    refused() {
      plugin?.ask.forget();
    },
  };
}

function pathsOf({ KUBECONFIG, HOME }: Environment): readonly string[] {
  const given = (KUBECONFIG ?? '').split(delimiter).filter(path => path !== '');
  if (given.length > 0) return given.map(path => resolve(path));
  if (HOME) return [join(HOME, '.kube', 'config')];
  throw noCredentials(
    'not in a cluster, and neither KUBECONFIG nor HOME is set: set KUBECONFIG to a kubeconfig file',
  );
}

/** Those of the files that are there; at least one is. */
async function readFiles(paths: readonly string[]): Promise<readonly KubeconfigFile[]> {
  const files = await Promise.all(paths.map(readOne));
  const found = files.filter(file => file !== undefined);
  if (found.length > 0) return found;
  throw noCredentials(
    `not in a cluster, and there is no kubeconfig at ${paths.join(', ')}: set KUBECONFIG to one`,
  );
}

async function readOne(path: string): Promise<KubeconfigFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw noCredentials(`kubeconfig ${path} cannot be read: ${code}`, error);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [mistake] = document.errors;
  // Never what is there: it may be a key.
  if (mistake !== undefined) {
    throw noCredentials(
      `kubeconfig ${path} is no YAML: line ${lines.linePos(mistake.pos[0]).line} (${mistake.code})`,
    );
  }
  return { path, content: checked(fileSchema, contentOf(document, path) ?? {}, `kubeconfig ${path}`) };
}

/** Aliases are followed here: one may lead nowhere, or to more than there is memory for. */
function contentOf(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch {
    throw noCredentials(
      `kubeconfig ${path} is no YAML that can be read: it has aliases (*) that lead nowhere, or too far`,
    );
  }
}

function checked<S extends z.ZodType>(schema: S, value: unknown, where: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw noCredentials(`${where}: ${[...(issue?.path ?? []), ''].join('.')} ${issue?.message}`);
}

function currentContext(files: readonly KubeconfigFile[], paths: readonly string[]): string {
  const name = files.map(({ content }) => content['current-context']).find(Boolean);
  if (name) return name;
  throw noCredentials(`no current-context in ${paths.join(', ')}: set one with kubectl config use-context`);
}

function select(files: readonly KubeconfigFile[], contextName: string) {
  const { value: context } = find(files, 'context', contextName, contextSchema);
  return {
    cluster: find(files, 'cluster', context.cluster, clusterSchema),
    user: find(files, 'user', context.user, userSchema),
    namespace: context.namespace,
  };
}

function find<S extends z.ZodType>(
  files: readonly KubeconfigFile[],
  kind: 'cluster' | 'context' | 'user',
  name: string,
  schema: S,
): Found<z.infer<S>> {
  for (const { path, content } of files) {
    const entry = content[`${kind}s`]?.find(entry => entry.name === name);
    if (entry !== undefined)
      return { value: checked(schema, entry[kind] ?? {}, `kubeconfig ${path}: ${kind} ${name}`), path };
  }
  throw noCredentials(`the kubeconfig names the ${kind} ${name} and does not have it`);
}

function refuseUnsupported(cluster: Found<Cluster>, user: Found<User>): void {
  if (cluster.value['proxy-url'] !== undefined)
    throw noCredentials(
      `kubeconfig ${cluster.path}: proxy-url is not supported; give the cluster an address that can be reached`,
    );
  if (user.value['auth-provider'] != null)
    throw noCredentials(
      `kubeconfig ${user.path}: auth-provider is gone since Kubernetes 1.26; use exec or a token`,
    );
  if (user.value.username !== undefined)
    throw noCredentials(
      `kubeconfig ${user.path}: username and password are gone since Kubernetes 1.19; use a token`,
    );
}

/** Like kubectl: a token's file before the token. */
async function authorizationOf({ value, path }: Found<User>): Promise<string | undefined> {
  if (value.tokenFile !== undefined) return bearer(await readBeside(path, value.tokenFile), value.tokenFile);
  return value.token === undefined ? undefined : bearer(value.token, `kubeconfig ${path}: the user's token`);
}

/** Data before a file, as kubectl has it. */
async function pem<K extends 'certificate-authority' | 'client-certificate' | 'client-key'>(
  { value, path }: Found<{ readonly [P in K | `${K}-data`]?: string | undefined }>,
  key: K,
): Promise<string | undefined> {
  const data = value[`${key}-data`];
  if (data) return Buffer.from(data, 'base64').toString('utf8');
  const file = value[key];
  return file ? readBeside(path, file) : undefined;
}

async function readBeside(kubeconfigPath: string, file: string): Promise<string> {
  const path = resolve(dirname(kubeconfigPath), file);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw noCredentials(
      `kubeconfig ${kubeconfigPath}: ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      error,
    );
  }
}
