/**
 * How the text of a variable is read: one reader per kind of value, and the bounds that several settings share. What a reader's `meta`
 * says is the JSON schema of the value where it is written in YAML, as in the values of the Helm chart; without it, any text.
 */
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { isZone, type Strategy, ZONE_PATTERN } from '../domain.ts';
import { parseStrategy } from '../strategies.ts';

export const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, { error: 'must be a whole number', abort: true })
    .transform(Number)
    .refine(value => value >= least && value <= most, { error: `must be from ${least} to ${most}` })
    .meta({ type: 'integer', minimum: least, maximum: most });

/** Not below 0, fractions allowed. */
export const factor = (most: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, { error: 'must be a number, as 5 or 0.5', abort: true })
    .transform(Number)
    .refine(value => value <= most, { error: `must be from 0 to ${most}` })
    .meta({ type: 'number', minimum: 0, maximum: most });

/** A share, fractions of a percent allowed. */
export const percent = factor;

/** Written in percents, read as a share from 0 to 1. */
export const shareInPercent = percent(100).transform(value => value / 100);

/** Timers of Node fire at once when they are set to more. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
export const MAX_TIMER_S = Math.floor(MAX_TIMER_MS / 1_000);
/** A Set of JavaScript holds 2^24 entries. */
export const MAX_ENTRIES = 16_000_000;
/** Below it, one long prompt is all that there is room for. */
export const MIN_INDEX_BYTES = 2 ** 20;
/** What a block's place in the index can be numbered by ends before. */
export const MAX_INDEX_BYTES = 2 ** 32;
/** Of one message: more would not fit into a Buffer twice. */
export const MAX_MESSAGE_BYTES = 2 ** 30;
export const MAX_COUNT = 1_000_000;
/** More than any machine has. */
export const MAX_BUFFERED_BYTES = 2 ** 40;

/** The spellings of Go's strconv.ParseBool, which AIBrix uses. */
export const flag = z
  .string()
  .transform(text => text.toLowerCase())
  .refine(text => ['1', 't', 'true', '0', 'f', 'false'].includes(text), { error: 'must be true or false' })
  .transform(text => ['1', 't', 'true'].includes(text))
  .meta({ type: 'boolean' });

/** The spellings of the model hub's own clients. */
export const hubFlag = z
  .string()
  .transform(text => text.toLowerCase())
  .refine(text => ['1', 'on', 'yes', 'true', '0', 'off', 'no', 'false'].includes(text), {
    error: 'must be 1 or 0',
  })
  .transform(text => ['1', 'on', 'yes', 'true'].includes(text))
  .meta({ type: ['boolean', 'integer', 'string'] });

const UNITS_MS = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
type Unit = keyof typeof UNITS_MS;
const UNIT = Object.keys(UNITS_MS).join('|');
const GO_DURATION = new RegExp(`(\\d+(?:\\.\\d*)?|\\.\\d+)(${UNIT})`, 'g');

/**
 * A span of time: a whole number of `unit`, or as Go's time.ParseDuration reads it, `500ms`, `1.5s`, `1m30s`. AIBrix documents one of
 * the two and reads the other. In milliseconds, at least one. @param most in `unit`
 */
export const duration = (unit: 's' | 'm', most: number) => {
  const read = z.string().transform((text, context): number => {
    const ms = /^\d+$/.test(text) ? Number(text) * UNITS_MS[unit] : goDurationMs(text);
    if (ms === undefined) context.addIssue(`must be a time, as 5, 5${unit} or 500ms`);
    else if (ms < 1 || ms > most * UNITS_MS[unit]) context.addIssue(`must be from 1ms to ${most}${unit}`);
    else return Math.round(ms);
    return z.NEVER;
  });
  return read.meta({
    type: ['integer', 'string'],
    minimum: 1,
    maximum: most,
    pattern: `^([0-9.]+(${UNIT})?)+$`,
  });
};

function goDurationMs(text: string): number | undefined {
  let ms = 0;
  const rest = text.replace(GO_DURATION, (_, count: string, unit: Unit) => {
    ms += Number(count) * UNITS_MS[unit];
    return '';
  });
  return text !== '' && rest === '' ? ms : undefined;
}

/** AIBrix's seeds have 64 bits; ours are the lower 32 of them. */
export const seed = z
  .string()
  .regex(/^\d+$/, { error: 'must be a whole number', abort: true })
  .transform(BigInt)
  .refine(value => value < 2n ** 64n, { error: 'must be below 2^64' })
  .transform(value => Number(value & 0xffffffffn))
  .meta({ type: ['integer', 'string'], minimum: 0, pattern: '^[0-9]+$' });

export const url = z
  .string()
  .refine(text => /^https?:\/\//.test(text) && URL.canParse(text), {
    error: 'must be an http or https URL',
  })
  .meta({ type: 'string', pattern: '^https?://' });

export const urlTemplate = z
  .string()
  .refine(text => /^https?:\/\/.*%s/.test(text) && URL.canParse(text.replace('%s', '127.0.0.1')), {
    error: 'must be an http or https URL with %s for the IP address of the pod',
  })
  .meta({ type: 'string', pattern: '^https?://.*%s' });

/** `host:port`; port 0 lets the system choose. */
export const address = z
  .string()
  .regex(/^(\[[^\]]*\]|[^:\s[\]]+):\d{1,5}$/, {
    error: 'must be host:port, an IPv6 host in brackets',
    abort: true,
  })
  .refine(text => !text.startsWith('[') || isIPv6(text.slice(1, text.indexOf(']'))), {
    error: 'the host in brackets must be an IPv6 address',
  })
  .refine(text => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65535, {
    error: 'port must be at most 65535',
  })
  .meta({ type: 'string', pattern: ':[0-9]{1,5}$' });

/** Of ZeroMQ sockets, several with commas; port `*` lets the system choose. */
export const bindAddresses = z
  .string()
  .regex(
    /^tcp:\/\/[^\s,]+:(\d+|\*)(,tcp:\/\/[^\s,]+:(\d+|\*))*$/,
    'must be tcp://host:port, several with commas',
  )
  .transform(text => text.split(','))
  .meta({ type: 'string', pattern: '^tcp://' });

/** One strategy, or several with weights. */
export const strategy = z.string().transform((text, context): Strategy => {
  const parsed = parseStrategy(text);
  if (parsed.kind === 'parsed') return parsed.strategy;
  context.addIssue({ code: 'custom', message: parsed.why });
  return z.NEVER;
});

/** Of a header, in lower case. */
export const headerName = z
  .string()
  .regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'must be the name of a header', abort: true })
  .transform(text => text.toLowerCase());

/** A text that nothing prints: not with the configuration, and not in a log line or an error. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }
}

/** What is shown of a secret. */
export const MASK = '***';

/** What may be in a header. */
export const secret = z
  .string()
  .regex(/^[\x21-\x7e]+$/, { error: 'must be the token, and nothing else', abort: true })
  .transform(text => new Secret(text));

export const anyText = z.string();
export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z
    .string()
    .pipe(z.enum(values, { error: `must be one of ${values.join(', ')}` }))
    .meta({ type: 'string', enum: [...values] }) as z.ZodType<T[number], string>;

const commaList = z.string().transform(text => [...new Set(text.split(',').map(each => each.trim()))]);

type ListOf<T extends readonly string[]> = z.ZodType<readonly T[number][], string>;

/** Several of these with commas, each once. */
export const listOf = <const T extends readonly string[]>(values: T) =>
  commaList
    .refine(given => given.every(each => values.includes(each)), {
      error: `must be of ${values.join(', ')}; several with commas`,
    })
    .meta({ type: 'string', pattern: `^${commaSeparated(values)}$` }) as unknown as ListOf<T>;

/** The same, or `none` of them. */
export const listOrNone = <const T extends readonly string[]>(values: T) =>
  commaList
    .transform(given => (given.join() === 'none' ? [] : given))
    .refine(given => given.every(each => values.includes(each)), {
      error: `must be of ${values.join(', ')}, several with commas, or none`,
    })
    .meta({ type: 'string', pattern: `^(none|${commaSeparated(values)})$` }) as unknown as ListOf<T>;

function commaSeparated(words: readonly string[]): string {
  const word = `(${words.join('|')})`;
  return `${word}( *, *${word})*`;
}

/** RFC 1123. */
const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const SUBDOMAIN = String.raw`${LABEL}(\.${LABEL})*`;

/** As they stand in a Host header, without a port; `*` for all. */
export const hostNames = commaList.refine(
  list => list.every(each => each === '*' || new RegExp(`^${SUBDOMAIN}$`, 'i').test(each)),
  { error: 'must be host names without a port, several with commas, or *' },
);

/** Of Kubernetes; `*` for all. */
export const namespaces = commaList.refine(
  list => (list.length === 1 && list[0] === '*') || list.every(each => new RegExp(`^${LABEL}$`).test(each)),
  { error: 'must be names of namespaces, several with commas, or *' },
);

/** A value of the label `topology.kubernetes.io/zone`. */
export const zone = z
  .string()
  .refine(isZone, {
    error:
      'must be a value of a label: 1 to 63 letters, digits, "-", "_" or ".", letters or digits first and last',
  })
  .meta({ type: 'string', pattern: ZONE_PATTERN.source });

/** Of an object in a namespace, which may be left out. */
export const qualifiedName = z
  .string()
  .regex(new RegExp(`^(${LABEL}/)?${SUBDOMAIN}$`), 'must be namespace/name, or name')
  .transform(text => {
    const [name, namespace] = text.split('/').reverse() as [string, string | undefined];
    return { namespace, name };
  });
