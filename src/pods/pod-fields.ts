/** What may be said of a pod, wherever it is said: the fields of a pods file's entry, their bounds, and what is wrong with them. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isTokenizerName, isZone, type KvEventSource, MAX_RANKS } from '../domain.ts';

const MAX_NAME_CHARACTERS = 253;
const MAX_MODEL_CHARACTERS = 512;
const MAX_ALIASES = 256;
const MAX_LABELS = 64;
/** Of Linux (PATH_MAX). */
const MAX_PATH_CHARACTERS = 4_096;
const MAX_TOKENIZER_NAME_CHARACTERS = 512;
const MAX_LABEL_CHARACTERS = 1_024;

/** The same sentence for every way to be wrong, except for being absent. */
export const must = (reason: string) => ({
  error: (issue: { readonly input?: unknown }) => (issue.input === undefined ? 'is required' : reason),
});

const anyText = z.string(must('must be text; put it in quotes'));
const upTo = (characters: number) =>
  [characters, `must not be longer than ${characters} characters`] as const;
const text = anyText.regex(/\S/, 'must not be empty');
const model = text.max(...upTo(MAX_MODEL_CHARACTERS));
const labels = z
  .record(
    z.string().max(...upTo(MAX_LABEL_CHARACTERS)),
    anyText.max(...upTo(MAX_LABEL_CHARACTERS)),
    must('must be a map of text to text'),
  )
  .refine(given => Object.keys(given).length <= MAX_LABELS, `must not have more than ${MAX_LABELS} labels`);

const integer = (min: number, max: number) =>
  z.custom<number>(
    value => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    must(`must be an integer between ${min} and ${max}`),
  );

const port = integer(1, 65535);
export const ranks = integer(1, MAX_RANKS);

/** Where events are published, and replays given: rank r on `port + r`, and on `replayPort + r`. */
export const publishersSchema = z
  .strictObject(
    { port, replayPort: port.optional(), ranks: ranks.default(1) },
    must('must be "auto", or have port and, optionally, replayPort and ranks'),
  )
  .superRefine(({ port, replayPort, ranks }, context) => {
    const last = ranks - 1;
    for (const [key, first] of Object.entries({ port, replayPort })) {
      if (first !== undefined && first + last > 65535) {
        const message = `leaves no room for ${ranks} ranks: the last would be on port ${first + last}`;
        context.addIssue({ code: 'custom', path: [key], message });
      }
    }
    if (replayPort !== undefined && Math.abs(replayPort - port) < ranks) {
      const message =
        ranks === 1
          ? 'must differ from port'
          : `ports ${replayPort} to ${replayPort + last} overlap the event ports ${port} to ${port + last}: rank r uses port + r and replayPort + r`;
      context.addIssue({ code: 'custom', path: ['replayPort'], message });
    }
  })
  .transform(({ port, replayPort, ranks }): KvEventSource => ({ kind: 'zmq', port, replayPort, ranks }));

/** No union: that would say of a mistake only that no member of it fits. */
const kvEventsSchema = z.unknown().transform((value, context): KvEventSource => {
  if (value === 'auto') return { kind: 'auto' };
  const { data, error } = publishersSchema.safeParse(value);
  for (const issue of error?.issues ?? []) {
    context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
  }
  return data ?? z.NEVER;
});

const ZONE_REASON =
  'must be 1 to 63 letters, digits, "-", "_" or ".", as the value of a label in Kubernetes; letters or digits first and last';

/** By their names in the pods file. */
export const POD_FIELDS = {
  // `/` separates the entry from the address in the names of pods behind one host name.
  name: text.max(...upTo(MAX_NAME_CHARACTERS)).regex(/^[^\s/]*$/, 'must not contain spaces or "/"'),
  address: text.refine(isAddress, 'must be an IP address or a host name, without scheme, brackets or port'),
  port,
  model,
  aliases: z
    .array(model, must('must be a list of model names'))
    .max(MAX_ALIASES, `must not have more than ${MAX_ALIASES} names`)
    .default([]),
  kvEvents: kvEventsSchema.default({ kind: 'none' }),
  labels: labels.default({}),
  zone: anyText.refine(isZone, ZONE_REASON),
  /** A directory. */
  tokenizer: text
    .max(...upTo(MAX_PATH_CHARACTERS))
    .refine(path => !path.includes('\0'), 'must be the path of a directory'),
};

/** The name of a directory below the one for tokenizer files, as `Qwen/Qwen3-8B`. */
export const tokenizerName = text
  .max(...upTo(MAX_TOKENIZER_NAME_CHARACTERS))
  .refine(
    isTokenizerName,
    'must be the name of a directory below WARMROUTE_TOKENIZER_DIR, as Qwen/Qwen3-8B, without "." or ".." in it',
  );

function isAddress(address: string): boolean {
  if (isIP(address) !== 0) return !address.includes('%');
  // Underscores are not host names by RFC 1123, but container networks resolve them. A numeric last label is a mistyped IP.
  const labels = address.replace(/\.$/, '').split('.');
  return (
    address.length <= 253 &&
    labels.every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? '')
  );
}
