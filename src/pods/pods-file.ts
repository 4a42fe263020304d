import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ZONE_LABEL } from '../domain.ts';
import { must, POD_FIELDS } from './pod-fields.ts';
import type { PodSpec } from './spec.ts';

/** One thing that is wrong: where (`pods[2].port`, `line 3, column 7`) and what. */
export interface PodsFileProblem {
  readonly place: string;
  readonly reason: string;
}

export type ParsedPodsFile =
  | { readonly kind: 'valid'; readonly specs: readonly PodSpec[] }
  | { readonly kind: 'invalid'; readonly problems: readonly PodsFileProblem[] };

/** More findings than this help nobody. */
const MAX_PROBLEMS = 50;
const MAX_REASON_CHARACTERS = 300;

/**
 * Parses the pods file, YAML 1.2 or JSON: `pods`, a list of `name`, `address`, `port`, `model` and, optionally,
 * `aliases`, `kvEvents: {port, replayPort?, ranks?}` or `auto`, `labels`, `tokenizer`, a directory, and `zone`, which the label of Kubernetes may say as well. One bad
 * entry makes the whole file bad, and all that is wrong is reported at once; only a syntax error hides what comes after it.
 */
export function parsePodsFile(text: string): ParsedPodsFile {
  const parsed = parse(text);
  if (parsed.kind === 'valid') return parsed;
  const { problems } = parsed;
  const shown = problems.slice(0, MAX_PROBLEMS).map(({ place, reason }) => ({
    place: shortened(place),
    reason: shortened(reason),
  }));
  const more = problems.length - shown.length;
  if (more > 0) shown.push({ place: 'file', reason: `has ${more} more mistakes` });
  return { kind: 'invalid', problems: shown };
}

function shortened(text: string): string {
  return text.length > MAX_REASON_CHARACTERS ? `${text.slice(0, MAX_REASON_CHARACTERS)}…` : text;
}

function parse(text: string): ParsedPodsFile {
  const content = parseYaml(text);
  if (content.problems.length > 0) return { kind: 'invalid', problems: content.problems };
  const count = uncheckedPods(content.value).length;
  if (count > MAX_PODS) {
    return {
      kind: 'invalid',
      problems: [{ place: 'pods', reason: `has ${count} entries; ${MAX_PODS} are the most` }],
    };
  }
  const parsed = fileSchema.safeParse(content.value);
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap(problemsOf)),
    ...duplicates(content.value),
  ];
  if (!parsed.success || problems.length > 0) return { kind: 'invalid', problems };
  return { kind: 'valid', specs: parsed.data.pods };
}

const STACK_EXCEEDED = /maximum call stack/i;
const TOO_DEEP: readonly PodsFileProblem[] = [{ place: 'file', reason: 'is nested too deeply' }];

function parseYaml(text: string): { value: unknown; problems: readonly PodsFileProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  // Not the cause, but what follows from it, is reported after this one, a thousand times.
  if (document.errors.some(({ message }) => STACK_EXCEEDED.test(message)))
    return { value: undefined, problems: TOO_DEEP };
  const problems = document.errors.map(error => {
    const { line, col } = lines.linePos(error.pos[0]);
    const reason =
      error.code === 'MULTIPLE_DOCS' ? 'a second document starts here; only one is allowed' : error.message;
    return { place: `line ${line}, column ${col}`, reason };
  });
  if (problems.length > 0) return { value: undefined, problems };
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIAS_USES }) as unknown, problems };
  } catch (error) {
    // Aliases are only followed here: one without an anchor, or too many (a "billion laughs" file).
    if (STACK_EXCEEDED.test((error as Error).message)) return { value: undefined, problems: TOO_DEEP };
    const isTooMany = error instanceof ReferenceError && error.message.startsWith('Excessive alias count');
    const reason = isTooMany
      ? `an anchor (&) is used too often: ${MAX_ALIAS_USES} times is the most, through other anchors included`
      : (error as Error).message;
    return { value: undefined, problems: [{ place: 'file', reason }] };
  }
}

// ---- bounds ----------------------------------------------------------------------------------------------------

const MAX_PODS = 20_000;
/** Each entry may have what it needs from an anchor. */
const MAX_ALIAS_USES = MAX_PODS;

// ---- the format ------------------------------------------------------------------------------------------------

const podSchema = z
  .strictObject(
    { ...POD_FIELDS, zone: POD_FIELDS.zone.optional(), tokenizer: POD_FIELDS.tokenizer.optional() },
    must('must be a map of name, address, port and model'),
  )
  .transform(({ zone, tokenizer, ...read }, context): PodSpec => {
    const pod = {
      ...read,
      ...(tokenizer !== undefined && { tokenizer: { kind: 'directory', path: tokenizer } as const }),
    };
    const labelled = pod.labels[ZONE_LABEL];
    if (zone !== undefined || !labelled) return { ...pod, ...(zone !== undefined && { zone }) };
    const parsed = POD_FIELDS.zone.safeParse(labelled);
    if (parsed.success) return { ...pod, zone: parsed.data };
    for (const { message } of parsed.error.issues)
      context.issues.push({ code: 'custom', path: ['labels', ZONE_LABEL], message, input: labelled });
    return z.NEVER;
  });

const fileSchema = z.strictObject(
  { pods: z.array(podSchema, must('must be a list')) },
  { error: 'must be a map with the key "pods"' },
);

// ---- what is wrong ---------------------------------------------------------------------------------------------

function problemsOf(issue: z.core.$ZodIssue): PodsFileProblem[] {
  if (issue.code !== 'unrecognized_keys') return [{ place: placeOf(issue.path), reason: issue.message }];
  return issue.keys.map(key => ({ place: placeOf([...issue.path, key]), reason: 'unknown key' }));
}

function placeOf(path: readonly PropertyKey[]): string {
  let place = '';
  for (const key of path) {
    if (typeof key === 'number') place += `[${key}]`;
    else if (/^\w+$/.test(String(key))) place += place === '' ? String(key) : `.${String(key)}`;
    else place += `[${JSON.stringify(String(key))}]`;
  }
  return place === '' ? 'file' : place;
}

/** What a pod says before it is checked: duplicates are reported together with whatever else is wrong. */
interface Unchecked {
  readonly name?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly model?: unknown;
  readonly aliases?: unknown;
}

function uncheckedPods(value: unknown): readonly (Unchecked | null)[] {
  const pods = (value as { pods?: unknown } | null)?.pods;
  return Array.isArray(pods) ? pods : [];
}

function duplicates(value: unknown): PodsFileProblem[] {
  const pods = uncheckedPods(value);
  return [
    ...repeated(pods, 'name', ({ name }) => (typeof name === 'string' ? name : undefined), 'the name'),
    ...repeated(
      pods,
      'port',
      ({ address, port }) =>
        typeof address === 'string' && port !== undefined ? `${address} ${port}` : undefined,
      'the address and port',
    ),
    ...aliasesOfTwo(pods),
  ];
}

function repeated(
  pods: readonly (Unchecked | null)[],
  key: string,
  identify: (pod: Unchecked) => string | undefined,
  what: string,
): PodsFileProblem[] {
  const first = new Map<string, number>();
  return pods.flatMap((pod, index) => {
    const value = pod ? identify(pod) : undefined;
    if (value === undefined) return [];
    const earlier = first.get(value);
    if (earlier === undefined) {
      first.set(value, index);
      return [];
    }
    return [
      {
        place: `pods[${index}].${key}`,
        reason: `${JSON.stringify(value)} is already ${what} of pods[${earlier}]`,
      },
    ];
  });
}

/** Requests for one name go to pods of one model: another one would see other tokens, and give other answers. */
function aliasesOfTwo(pods: readonly (Unchecked | null)[]): PodsFileProblem[] {
  const rootOf = new Map<unknown, unknown>(pods.map(pod => [pod?.model, pod?.model]));
  return pods.flatMap((pod, index) => {
    if (!pod || !Array.isArray(pod.aliases)) return [];
    return pod.aliases.flatMap((alias: unknown, position) => {
      const root = rootOf.get(alias) ?? pod.model;
      rootOf.set(alias, root);
      if (root === pod.model) return [];
      const reason = `${JSON.stringify(alias)} already stands for ${JSON.stringify(root)}`;
      return [{ place: `pods[${index}].aliases[${position}]`, reason }];
    });
  });
}
