/**
 * Kubernetes' label selectors, as AIBrix takes them in the header `external-filter`: requirements with commas between them, all
 * of which a pod's labels must meet.
 *
 *   key          it is there            key in (a,b)       it has one of these values
 *   !key         it is not              key notin (a,b)    it has none of these, or is not there
 *   key=value    also ==                key!=value         it has another value, or is not there
 *   key>1        also <: both sides are whole numbers
 */

export type Labels = Readonly<Record<string, string>>;
export type LabelSelector = (labels: Labels) => boolean;

export type ParsedSelector =
  | { readonly kind: 'selector'; readonly matches: LabelSelector }
  | { readonly kind: 'invalid'; readonly reason: string };

const KEY = `([A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?)`;
const VALUE = `([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|)`;
const EXISTS = new RegExp(String.raw`^(!?)\s*${KEY}$`);
const EQUALITY = new RegExp(String.raw`^${KEY}\s*(==|=|!=)\s*${VALUE}$`);
const SET = new RegExp(String.raw`^${KEY}\s+(in|notin)\s*\(([^()]*)\)$`);
const ORDER = new RegExp(String.raw`^${KEY}\s*([<>])\s*(-?\d{1,15})$`);
const ONE_VALUE = new RegExp(`^${VALUE}$`);
/** Clients write it, and each requirement is asked of every pod. */
const MAX_CHARACTERS = 4_096;
const MAX_REQUIREMENTS = 64;

/** An empty selector matches everything. */
export function parseLabelSelector(text: string): ParsedSelector {
  if (text.trim() === '') return { kind: 'selector', matches: () => true };
  if (text.length > MAX_CHARACTERS)
    return { kind: 'invalid', reason: `it is longer than ${MAX_CHARACTERS} characters` };
  const parts = requirementsIn(text);
  if (parts.length > MAX_REQUIREMENTS)
    return { kind: 'invalid', reason: `it has more than ${MAX_REQUIREMENTS} requirements` };
  const requirements: LabelSelector[] = [];
  for (const part of parts) {
    const requirement = parseRequirement(part.trim());
    if (requirement === undefined) {
      return { kind: 'invalid', reason: `${JSON.stringify(part.trim())} is no requirement on labels` };
    }
    requirements.push(requirement);
  }
  return { kind: 'selector', matches: labels => requirements.every(meets => meets(labels)) };
}

/** Between commas that do not stand in parentheses. */
function requirementsIn(text: string): string[] {
  const parts: string[] = [];
  let [start, depth] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === ',' && depth <= 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseRequirement(text: string): LabelSelector | undefined {
  const set = SET.exec(text);
  if (set) return inSet(set[1]!, set[2]!, set[3]!);
  const equality = EQUALITY.exec(text);
  if (equality) {
    const [, key, operator, value] = equality as unknown as [string, string, string, string];
    return operator === '!='
      ? labels => labelOf(labels, key) !== value
      : labels => labelOf(labels, key) === value;
  }
  const order = ORDER.exec(text);
  if (order) {
    const [, key, operator, bound] = order as unknown as [string, string, string, string];
    return labels => {
      const value = labelOf(labels, key);
      if (value === undefined || !/^-?\d{1,15}$/.test(value)) return false;
      return operator === '>' ? Number(value) > Number(bound) : Number(value) < Number(bound);
    };
  }
  const exists = EXISTS.exec(text);
  if (exists) return labels => (labelOf(labels, exists[2]!) === undefined) === (exists[1] === '!');
  return undefined;
}

function inSet(key: string, operator: string, list: string): LabelSelector | undefined {
  const values = list.split(',').map(value => value.trim());
  if (values.some(value => !ONE_VALUE.test(value))) return undefined;
  const allowed = new Set<string | undefined>(values);
  return operator === 'in'
    ? labels => allowed.has(labelOf(labels, key))
    : labels => !allowed.has(labelOf(labels, key));
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
