import type { Budget } from '../budget.ts';
import type { Rendering } from '../compile/rendering.ts';
import { failed, TemplateError, tooMuch, unsupported } from '../template-error.ts';
import {
  Callable,
  indexOf,
  isDict,
  keysOf,
  makeDict,
  type Named,
  Namespace,
  Range,
  Special,
} from '../values/values.ts';
import { strftime } from './strftime.ts';

/** The sandbox's own bound of `range`. */
const LONGEST_RANGE = 100_000;

/** jinja2's functions that are not made here. They are defined, and that is all that can be asked of them. */
class Unsupported extends Special {}

/** Names that are functions unless a variable is given of that name; jinja2 does not count the first six as variables. */
export const JINJA_GLOBALS: readonly string[] = ['range', 'dict', 'namespace', 'lipsum', 'cycler', 'joiner'];
export const TIME_FUNCTIONS: readonly string[] = ['strftime_now'];

export function globalsOf(rendering: () => Rendering): ReadonlyMap<string, unknown> {
  const make = (call: (args: readonly unknown[], named: Named, rendering: Rendering) => unknown) =>
    new Callable((args, named) => call(args, named, rendering()));
  return new Map<string, unknown>([
    ['range', make(range)],
    ['dict', make(dict)],
    ['namespace', make(namespace)],
    ['lipsum', new Unsupported()],
    ['cycler', new Unsupported()],
    ['joiner', new Unsupported()],
    ['raise_exception', make(raise)],
    ['strftime_now', make(now)],
  ]);
}

function range(args: readonly unknown[], named: Named, { budget }: Rendering): Range {
  if (named.size > 0 || args.length < 1 || args.length > 3)
    throw failed('range takes one to three whole numbers');
  const numbers = args.map(indexOf);
  const [start, stop] = numbers.length === 1 ? [0, numbers[0]!] : [numbers[0]!, numbers[1]!];
  const step = numbers[2] ?? 1;
  if (step === 0) throw failed('range with steps of zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > LONGEST_RANGE) throw tooMuch('a range');
  budget.spend(length);
  return new Range(Array.from({ length }, (_, at) => start + at * step));
}

function dict(args: readonly unknown[], named: Named, { budget }: Rendering): unknown {
  return makeDict(entriesOf(args, named, budget));
}

function namespace(args: readonly unknown[], named: Named, { budget }: Rendering): Namespace {
  const made = new Namespace();
  for (const [name, value] of entriesOf(args, named, budget)) made.attributes.set(name, value);
  return made;
}

function entriesOf(args: readonly unknown[], named: Named, budget: Budget): [string, unknown][] {
  if (args.length > 1) throw failed('dict takes one value');
  const [from = {}] = args;
  if (!isDict(from)) throw unsupported('a dict of pairs');
  return [...keysOf(from, budget).map((name): [string, unknown] => [name, from[name]]), ...named];
}

function raise(args: readonly unknown[], named: Named): never {
  if (args.length + named.size !== 1) throw failed('raise_exception takes one message');
  throw new TemplateError('raised', 'the template refuses this conversation');
}

function now(args: readonly unknown[], named: Named, rendering: Rendering): string {
  if (args.length !== 1 || named.size > 0) throw failed('strftime_now takes one format');
  const [pattern] = args;
  if (typeof pattern !== 'string') throw failed('strftime_now takes a string');
  return strftime(pattern, rendering.now());
}
