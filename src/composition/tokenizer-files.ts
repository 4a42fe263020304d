/** Where models' tokenizer files come from, as it is configured. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config } from '../config.ts';
import type { Logger } from '../ops/log/log.ts';
import { reportTokenizerFiles, type TokenizerFilesReport } from '../ops/tokenizer-files-report.ts';
import { monotonicClock, realSleep, type Sleep, wallClock } from '../time.ts';
import {
  createFileSource,
  type Downloads,
  type TokenizerFileSource,
} from '../tokenizers/files/file-source.ts';
import { HubCache } from '../tokenizers/files/hub/hub-cache.ts';
import { createHubClient } from '../tokenizers/files/hub/hub-client.ts';
import { HubDownloads } from '../tokenizers/files/hub/hub-downloads.ts';
import { type TokenPlace, tokenReader } from '../tokenizers/files/hub/hub-token.ts';
import { VERSION } from '../version.ts';

export interface TokenizerFilesParts {
  /** Default: the system's. */
  readonly sleep?: Sleep;
}

/** How long the hub may say nothing. */
const SILENCE_MS = 30_000;

/** undefined: the engines tokenize, and no files are looked for. */
export function createTokenizerFiles(
  config: Config,
  log: Logger,
  parts: TokenizerFilesParts = {},
): TokenizerFileSource | undefined {
  if (config.tokenizer === 'engine') return undefined;
  const { tokenizerDir } = config;
  const report = reportTokenizerFiles(log, otherwise(config));
  return createFileSource({
    directory: tokenizerDir === undefined ? undefined : resolve(tokenizerDir),
    downloads: config.tokenizerHub ? createDownloads(config, report, parts) : undefined,
    onFact: report.hear,
    ...(parts.sleep && { sleep: parts.sleep }),
  });
}

function createDownloads(
  config: Config,
  { fellBack }: TokenizerFilesReport,
  { sleep = realSleep }: TokenizerFilesParts,
): Downloads {
  const home = expanded(config.hubHome);
  const cacheDirectory = config.hubCache === undefined ? join(home, 'hub') : expanded(config.hubCache);
  const client = config.hubOffline
    ? undefined
    : createHubClient({
        endpoint: new URL(config.hubEndpoint),
        token: tokenReader(tokenPlace(config, home)),
        silenceMs: SILENCE_MS,
        userAgent: `warmroute/${VERSION}`,
      });
  return new HubDownloads({
    cache: new HubCache(cacheDirectory),
    ...{ cacheDirectory, client, onFallback: fellBack, sleep, now: monotonicClock, wallClock },
  });
}

function tokenPlace({ hubToken, hubTokenPath }: Config, home: string): TokenPlace {
  if (hubToken !== undefined) return { kind: 'text', text: () => hubToken.reveal() };
  return hubTokenPath === undefined
    ? { kind: 'optional', path: join(home, 'token') }
    : { kind: 'file', path: expanded(hubTokenPath) };
}

/** `~` is the home directory, as in the hub's own clients; what is relative is from where the process was started. */
function expanded(path: string): string {
  return resolve(path.replace(/^~(?=\/|$)/, homedir()));
}

/** What follows for a model without files. */
export function otherwise({ mode }: Config): string {
  switch (mode.kind) {
    case 'local_with_events':
      return 'its prompts are routed by load';
    case 'local':
      return 'its prompts are cut without them';
    default:
      return 'its engines are asked';
  }
}
