import type { Budget } from '../budget.ts';
import { failed } from '../template-error.ts';
import type { Named } from '../values/values.ts';

/** An argument that was not given: other than one that is undefined. */
export const ABSENT: unique symbol = Symbol('absent');

/** A function of Python's with the names of its parameters; those that have no name can be given by place alone. */
export interface Builtin<Self> {
  readonly parameters: readonly string[];
  readonly required: number;
  readonly call: (self: Self, args: readonly unknown[], budget: Budget) => unknown;
}

export function builtin<Self>(
  signature: string,
  call: (self: Self, args: readonly unknown[], budget: Budget) => unknown,
): Builtin<Self> {
  const parameters = signature.split(' ').filter(name => name !== '');
  return {
    parameters: parameters.map(name => (name.startsWith('_') ? '' : name.replace(/\?$/, ''))),
    required: parameters.filter(name => !name.endsWith('?')).length,
    call,
  };
}

/** The arguments in the order of the parameters; `ABSENT` where there is none. */
export function bind(
  { parameters, required }: Pick<Builtin<unknown>, 'parameters' | 'required'>,
  args: readonly unknown[],
  named: Named,
): readonly unknown[] {
  if (args.length > parameters.length) throw failed('too many arguments');
  const bound: unknown[] = parameters.map((_, at) => (at < args.length ? args[at] : ABSENT));
  for (const [name, value] of named) {
    const at = parameters.indexOf(name);
    if (at === -1 || bound[at] !== ABSENT) throw failed('an argument that is not known, or given twice');
    bound[at] = value;
  }
  for (let at = 0; at < required; at++) if (bound[at] === ABSENT) throw failed('an argument is missing');
  return bound;
}

export function given<T>(value: unknown, otherwise: T): unknown {
  return value === ABSENT ? otherwise : value;
}
