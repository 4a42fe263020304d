import type { Expression, MacroNode, Parameter, Statement } from '../syntax/nodes.ts';
import { failed, unsupported } from '../template-error.ts';
import { Callable, makeDict, type Named, Tuple } from '../values/values.ts';
import { compileExpression, weightOf } from './expressions.ts';
import { type Evaluate, type Execute, type Frame, newFrame } from './rendering.ts';
import type { Scope } from './scope.ts';
import { analyzeMacro, readsName } from './symbols.ts';

interface CompiledMacro {
  readonly slots: number;
  readonly parameters: readonly CompiledParameter[];
  readonly weight: number;
  readonly enter: (frame: Frame) => void;
  readonly body: Execute;
  /** Where what is not among the parameters goes; undefined if the macro does not read it. */
  readonly caller: number | undefined;
  readonly names: number | undefined;
  readonly others: number | undefined;
}

interface CompiledParameter {
  readonly name: string;
  readonly slot: number;
  readonly default: Evaluate | undefined;
}

/** How blocks are compiled, which may hold macros again. */
type CompileBlock = (statements: readonly Statement[], scope: Scope) => Execute;

/** Makes a macro, or the body of a call block: gives the function when it is run. */
export function compileMacro(
  { parameters, body }: Pick<MacroNode, 'parameters' | 'body'>,
  around: Scope,
  compileBlock: CompileBlock,
): (frame: Frame) => Callable {
  const macro = compile(parameters, body, around, compileBlock);
  return frame => new Callable((args, named) => run(macro, frame, args, named));
}

function compile(
  parameters: readonly Parameter[],
  body: readonly Statement[],
  around: Scope,
  compileBlock: CompileBlock,
): CompiledMacro {
  if (parameters.some(({ name }) => ['caller', 'kwargs', 'varargs'].includes(name))) {
    throw unsupported('such a parameter of a macro');
  }
  const scope = around.macro();
  const { symbols } = scope;
  analyzeMacro(symbols, parameters, body);
  const special = (name: string) => (readsName(body, name) ? symbols.declareParameter(name).slot : undefined);
  const [caller, names, others] = [special('caller'), special('kwargs'), special('varargs')];
  const enter = scope.entering();
  const compiled = parameters.map(parameter => ({
    name: parameter.name,
    slot: symbols.reference(parameter.name).slot,
    default: parameter.default === undefined ? undefined : compileExpression(parameter.default, scope),
  }));
  const defaults = parameters
    .map(parameter => parameter.default)
    .filter((value): value is Expression => value !== undefined);
  const block = compileBlock(body, scope);
  return {
    slots: symbols.scope.slots,
    parameters: compiled,
    weight: 1 + parameters.length + defaults.reduce((sum, value) => sum + weightOf(value), 0),
    enter,
    body: block,
    ...{ caller, names, others },
  };
}

function run(macro: CompiledMacro, parent: Frame, args: readonly unknown[], named: Named): string {
  const { rendering } = parent;
  rendering.budget.spend(macro.weight + macro.slots);
  rendering.budget.enter();
  const frame = newFrame(macro.slots, parent, rendering);
  const missing = take(macro, frame, args, named);
  const text = rendering.printed(() => {
    macro.enter(frame);
    for (const { slot, default: otherwise } of missing) {
      if (otherwise !== undefined) frame.slots[slot] = otherwise(frame);
    }
    macro.body(frame);
  });
  rendering.budget.leave();
  return text;
}

/** Puts arguments into their variables, as `jinja2.runtime.Macro` does; gives the parameters that are left without. */
function take(
  macro: CompiledMacro,
  { slots }: Frame,
  args: readonly unknown[],
  named: Named,
): readonly CompiledParameter[] {
  const { parameters } = macro;
  const left = new Map(named);
  const missing: CompiledParameter[] = [];
  for (const [at, parameter] of parameters.entries()) {
    if (at < args.length) slots[parameter.slot] = args[at];
    else if (left.has(parameter.name)) {
      slots[parameter.slot] = left.get(parameter.name);
      left.delete(parameter.name);
    } else missing.push(parameter);
  }
  if (macro.caller !== undefined) {
    slots[macro.caller] = left.get('caller') ?? undefined;
    left.delete('caller');
  }
  if (macro.names !== undefined) slots[macro.names] = makeDict([...left]);
  else if (left.size > 0) throw failed('a macro takes no such argument');
  if (macro.others !== undefined) slots[macro.others] = new Tuple(args.slice(parameters.length));
  else if (args.length > parameters.length) throw failed('a macro takes fewer arguments');
  return missing;
}
