import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { LogOutput } from './log-output.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line says besides its message. Secrets and prompts are taken out, see `cleaned`. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** @param fields made where the line is written alone: there is one for each request */
  debug(fields: () => LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger;
}

/** Writes one JSON object per line: `level` as text, `time` in ISO 8601 (UTC), the fields, then `msg`. */
export function createLogger(options: {
  readonly level: LogLevel;
  /** Default: standard output. */
  readonly destination?: DestinationStream;
}): Logger {
  const { level, destination = new LogOutput() } = options;
  const root = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }), log: cleaned },
    },
    destination,
  );
  return withCleanChildren(root);
}

/**
 * A logger on standard output, see `LogOutput`. When lines were dropped because nobody read them or the disk was full, one line says
 * how many as soon as writing works again.
 */
export function createStdoutLogger(level: LogLevel): { readonly log: Logger; readonly output: LogOutput } {
  const output = new LogOutput({
    onRecovered: dropped =>
      log.warn({ dropped }, 'log lines were dropped: standard output did not take them'),
  });
  const log = createLogger({ level, destination: output });
  return { log, output };
}

/** Pino does not pass the fields of a child through the formatters. */
function withCleanChildren(log: PinoLogger): Logger {
  return {
    debug: (fields, message) => {
      if (log.isLevelEnabled('debug')) log.debug(fields(), message);
    },
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: fields => withCleanChildren(log.child(cleaned(fields))),
  };
}

// ---- what must not be logged -----------------------------------------------------------------------------------

/** In lower case without `-` and `_`, so that `x-api-key`, `X_API_KEY` and `xApiKey` are one. */
const SECRET_KEYS = new Set([
  ...[
    'authorization',
    'proxyauthorization',
    'cookie',
    'setcookie',
    'apikey',
    'xapikey',
    'password',
    'secret',
  ],
  // vLLM's cache_salt keeps tenants apart: who knows it can probe for another's prompts.
  'cachesalt',
  ...['prompt', 'messages', 'input', 'body', 'rawbody', 'requestbody', 'responsebody'],
]);

const REDACTED = '[redacted]';
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
const MAX_TEXT_CHARACTERS = 4000;

/** Pino's own redaction takes fixed paths; ours holds wherever in the fields a key is. */
function cleaned(fields: object): Record<string, unknown> {
  return cleanedObject(fields, 0);
}

function cleanedObject(object: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    const secret = value !== undefined && SECRET_KEYS.has(key.toLowerCase().replaceAll(/[-_]/g, ''));
    result[key] = secret ? REDACTED : cleanedValue(value, depth + 1);
  }
  return result;
}

function cleanedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') {
    return value.length > MAX_TEXT_CHARACTERS ? `${value.slice(0, MAX_TEXT_CHARACTERS)}…` : value;
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  // Cycles end here too.
  if (depth > MAX_DEPTH) return '[too deep]';
  if (value instanceof Error) return cleanedError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return cleanedObject(Object.fromEntries(value), depth);
  if (Array.isArray(value) || value instanceof Set) {
    return [...value].slice(0, MAX_ITEMS).map(item => cleanedValue(item, depth + 1));
  }
  return cleanedObject(value, depth);
}

/** Only what every error has: libraries attach requests, responses and bodies to theirs. */
function cleanedError(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    message: cleanedValue(error.message, depth),
    ...(code === undefined ? {} : { code: cleanedValue(code, depth) }),
    stack: cleanedValue(error.stack, depth),
    ...(error.cause === undefined ? {} : { cause: cleanedValue(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: cleanedValue(error.errors, depth + 1) } : {}),
  };
}
