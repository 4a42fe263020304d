import type { Call, Expression, ForNode, MacroNode, Node, Statement } from '../syntax/nodes.ts';
import { childrenOf, descendantsOf } from '../syntax/walk.ts';

/** How vLLM hands contents to a template: as one text, or as the list of parts. */
export type ContentFormat = 'string' | 'openai';

/**
 * vLLM's `_detect_content_format` (`vllm/renderers/hf.py`, 0.32): a template that loops over the content of a message gets lists.
 * Where vLLM's own walk fails it says `string`, its default.
 */
export function contentFormatOf(template: readonly Statement[]): ContentFormat {
  const all = [...descendantsOf(template)];
  try {
    return loopsOverContent(all) ? 'openai' : 'string';
  } catch (error) {
    if (error instanceof WalkFailed) return 'string';
    throw error;
  }
}

/** An assertion of vLLM's that does not hold. */
class WalkFailed extends Error {}

function loopsOverContent(all: readonly Node[]): boolean {
  const loops = all.filter(node => node.type === 'for');
  const messages = namesOfMessages(all, loops);
  const macros = all.filter(node => node.type === 'macro');
  const calls = all.filter(node => node.type === 'call');
  const parametersOf = new Map<ForNode, ReadonlySet<string>>();
  const inMacros = new Set<ForNode>();
  for (const macro of macros) {
    const parameters = contentParameters(macro, calls, messages);
    for (const node of descendantsOf(childrenOf(macro))) {
      if (node.type !== 'for') continue;
      inMacros.add(node);
      if (parameters.size > 0) parametersOf.set(node, parameters);
    }
  }
  const found = loops.find(({ iterable }, at) => {
    if (messages.some(name => isVariableOrElements(iterable, name, 'content'))) return true;
    if (iterable.type !== 'name') return false;
    if (parametersOf.get(loops[at]!)?.has(iterable.name) === true) return true;
    return !inMacros.has(loops[at]!) && iterable.name === 'content';
  });
  if (found === undefined) return false;
  nameOfTarget(found);
  return true;
}

/** `_iter_nodes_assign_messages_item`: variables of loops over the messages. */
function namesOfMessages(all: readonly Node[], loops: readonly ForNode[]): string[] {
  const lists = namesOf(all, 'messages');
  return loops
    .filter(({ iterable }) => lists.some(name => isVariableOrElements(iterable, name, undefined)))
    .map(nameOfTarget);
}

function nameOfTarget({ target }: ForNode): string {
  if (target.type !== 'name') throw new WalkFailed();
  return target.name;
}

/** `_iter_nodes_assign_var_or_elems`: variables that are set to the variable, or to others that were. */
function namesOf(all: readonly Node[], name: string): string[] {
  const names = [name];
  const assignments = all.filter(node => node.type === 'assign');
  const seen = new Set([name]);
  for (let at = 0; at < names.length; at++) {
    for (const { target, node } of assignments) {
      if (!isVariableOrElements(node, names[at]!, undefined)) continue;
      if (target.type !== 'name') throw new WalkFailed();
      if (!seen.has(target.name)) names.push(target.name);
      seen.add(target.name);
    }
  }
  return names;
}

/** Parameters of a macro that some call gives the content of a message. */
function contentParameters(
  { name, parameters }: MacroNode,
  calls: readonly Call[],
  messages: readonly string[],
): Set<string> {
  const found = new Set<string>();
  const isContent = (value: Expression) =>
    messages.some(message => isVariableOrElements(value, message, 'content'));
  for (const { node, args, named } of calls) {
    if (node.type !== 'name' || node.name !== name) continue;
    for (const [at, value] of args.entries()) {
      if (at < parameters.length && isContent(value)) found.add(parameters[at]!.name);
    }
    for (const [key, value] of named) {
      if (parameters.some(parameter => parameter.name === key) && isContent(value)) found.add(key);
    }
  }
  return found;
}

function isVariableOrElements(node: Expression, variable: string, key: string | undefined): boolean {
  switch (node.type) {
    case 'filter':
      return node.node !== undefined && isVariableOrElements(node.node, variable, key);
    case 'test':
    case 'getslice':
      return isVariableOrElements(node.node, variable, key);
    default:
      return key === undefined ? isVariable(node, variable) : isMember(node, variable, key);
  }
}

function isVariable(node: Expression, name: string): boolean {
  return node.type === 'name' && node.name === name;
}

function isMember(node: Expression, variable: string, key: string): boolean {
  if (node.type === 'getattr') return node.name === key && isVariable(node.node, variable);
  return (
    node.type === 'getitem' &&
    node.item.type === 'const' &&
    node.item.value === key &&
    isVariable(node.node, variable)
  );
}
