import type { CallBlock, Expression, ForNode, IfNode, Statement, Target } from '../syntax/nodes.ts';
import { failed, unsupported } from '../template-error.ts';
import { LoopContext } from '../values/loop-context.ts';
import { str } from '../values/text.ts';
import { isTrue, iterate, Namespace, NO_NAMES } from '../values/values.ts';
import { compileCall, compileExpression, compileFilter, weightOf } from './expressions.ts';
import { compileMacro } from './macros.ts';
import { BREAK, CONTINUE, type Ending, type Evaluate, type Execute, type Frame, NEXT } from './rendering.ts';
import type { Scope } from './scope.ts';
import { analyze, analyzeExpression, analyzeLoop, readsName } from './symbols.ts';

/** Makes a function of statements, which pays for all of them before it runs them. */
export function compileBlock(statements: readonly Statement[], scope: Scope): Execute {
  const compiled = statements.map(statement => compileStatement(statement, scope));
  const weight = statements.reduce((sum, statement) => sum + weightOfStatement(statement), 1);
  return frame => {
    frame.rendering.budget.spend(weight);
    for (let at = 0; at < compiled.length; at++) {
      const ending = compiled[at]!(frame);
      if (ending !== NEXT) return ending;
    }
    return NEXT;
  };
}

/** The expressions of the statement itself; its blocks pay for themselves. */
function weightOfStatement(node: Statement): number {
  switch (node.type) {
    case 'output':
    case 'assign':
      return 1 + weightOf(node.node);
    case 'if':
      return 1 + weightOf(node.test);
    case 'for':
      return 1 + weightOf(node.iterable);
    case 'call-block':
      return 1 + (node.call === undefined ? 0 : weightOf(node.call));
    case 'filter-block':
      return 1 + weightOf(node.filter);
    default:
      return 1;
  }
}

function compileStatement(node: Statement, scope: Scope): Execute {
  switch (node.type) {
    case 'text': {
      const { text } = node;
      return always(({ rendering }) => rendering.print(text));
    }
    case 'output':
      return compileOutput(node.node, scope);
    case 'if':
      return compileIf(node, scope);
    case 'for':
      return compileFor(node, scope);
    case 'assign': {
      const value = compileExpression(node.node, scope);
      const store = compileTarget(node.target, scope);
      return always(frame => store(frame, value(frame)));
    }
    case 'assign-block': {
      const block = scope.inner('block');
      analyze(block.symbols, node.body);
      const enter = block.entering();
      const body = compileBlock(node.body, block);
      const store = compileTarget(node.target, scope);
      return always(frame => {
        enter(frame);
        store(
          frame,
          frame.rendering.printed(() => void body(frame)),
        );
      });
    }
    case 'macro': {
      const macro = compileMacro(node, scope, compileBlock);
      const store = compileTarget({ type: 'name', name: node.name }, scope);
      return always(frame => store(frame, macro(frame)));
    }
    case 'call-block':
      return compileCallBlock(node, scope);
    case 'filter-block': {
      const block = scope.inner('block');
      analyze(block.symbols, node.body);
      analyzeExpression(block.symbols, node.filter);
      const enter = block.entering();
      const body = compileBlock(node.body, block);
      const printed: Evaluate = frame => frame.rendering.printed(() => void body(frame));
      const filter = compileFilter(node.filter, printed, block);
      return always(frame => {
        enter(frame);
        print(frame, filter(frame));
      });
    }
    case 'break':
    case 'continue': {
      if (!scope.isInLoop) throw unsupported('a break outside of a loop');
      const ending = node.type === 'break' ? BREAK : CONTINUE;
      return () => ending;
    }
  }
}

function always(run: (frame: Frame) => void): Execute {
  return frame => {
    run(frame);
    return NEXT;
  };
}

function print({ rendering }: Frame, value: unknown): void {
  rendering.print(typeof value === 'string' ? value : str(value, rendering.budget));
}

function compileOutput(node: Expression, scope: Scope): Execute {
  const value = compileExpression(node, scope);
  return always(frame => print(frame, value(frame)));
}

function compileIf(node: IfNode, scope: Scope): Execute {
  const test = compileExpression(node.test, scope);
  const body = compileBlock(node.body, scope);
  if (node.otherwise.length === 0) return frame => (isTrue(test(frame)) ? body(frame) : NEXT);
  const otherwise = compileBlock(node.otherwise, scope);
  return frame => (isTrue(test(frame)) ? body(frame) : otherwise(frame));
}

type Store = (frame: Frame, value: unknown) => void;

function compileTarget(target: Target, scope: Scope): Store {
  if (target.type === 'tuple') return unpacking(target.items.map(item => compileTarget(item, scope)));
  const reference = scope.symbols.reference(target.name);
  if (target.type === 'attribute') {
    const of = scope.read(reference);
    const { attribute } = target;
    return (frame, value) => {
      const namespace = of(frame);
      if (!(namespace instanceof Namespace)) throw failed('an attribute of what is no namespace is set');
      namespace.attributes.set(attribute, value);
    };
  }
  const { slot } = reference;
  if (!scope.isTop) {
    return ({ slots }, value) => {
      slots[slot] = value;
    };
  }
  const { name } = target;
  return ({ slots, rendering }, value) => {
    slots[slot] = value;
    rendering.set(name, value);
  };
}

function unpacking(stores: readonly Store[]): Store {
  return (frame, value) => {
    if (value === undefined) throw failed('what is undefined is unpacked');
    const items = iterate(value, frame.rendering.budget);
    if (items.length !== stores.length) throw failed('too many or too few values to unpack');
    for (let at = 0; at < stores.length; at++) stores[at]!(frame, items[at]);
  };
}

function compileCallBlock(node: CallBlock, scope: Scope): Execute {
  const caller = compileMacro(node, scope, compileBlock);
  if (node.call === undefined) return always(frame => print(frame, caller(frame).call([], NO_NAMES)));
  const called = compileCall(node.call, scope, caller);
  return always(frame => print(frame, called(frame)));
}

function compileFor(node: ForNode, scope: Scope): Execute {
  const iterable = compileExpression(node.iterable, scope);
  const inLoop = scope.inner('loop');
  const usesLoop = readsName(node.body, 'loop');
  const loopSlot = usesLoop ? inLoop.symbols.declareParameter('loop').slot : undefined;
  analyzeLoop(inLoop.symbols, node, 'body');
  const isWanted = compileCondition(node, scope);
  const store = compileTarget(node.target, inLoop);
  const enter = inLoop.entering();
  const body = compileBlock(node.body, inLoop);
  const otherwise = compileOtherwise(node, scope);

  return frame => {
    const { budget } = frame.rendering;
    const items = iterate(iterable(frame), budget);
    const wanted = isWanted?.(frame);
    const loop = new LoopContext(items, wanted, budget);
    let isEmpty = true;
    while (loop.advance()) {
      store(frame, loop.current);
      if (loopSlot !== undefined) frame.slots[loopSlot] = loop;
      enter(frame);
      const ending: Ending = body(frame);
      if (ending === BREAK) break;
      if (ending === NEXT) isEmpty = false;
    }
    return isEmpty ? otherwise(frame) : NEXT;
  };
}

/** The condition of a loop has a variable of its own for the item. */
function compileCondition(
  node: ForNode,
  scope: Scope,
): ((frame: Frame) => (item: unknown) => boolean) | undefined {
  if (node.test === undefined) return undefined;
  const inTest = scope.inner('block');
  analyzeLoop(inTest.symbols, node, 'test');
  const enter = inTest.entering();
  const store = compileTarget(node.target, inTest);
  const test = compileExpression(node.test, inTest);
  const weight = weightOf(node.test);
  return frame => {
    enter(frame);
    return item => {
      frame.rendering.budget.spend(weight);
      store(frame, item);
      return isTrue(test(frame));
    };
  };
}

function compileOtherwise(node: ForNode, scope: Scope): Execute {
  if (node.otherwise.length === 0) return () => NEXT;
  const block = scope.inner('block');
  analyzeLoop(block.symbols, node, 'otherwise');
  const enter = block.entering();
  const body = compileBlock(node.otherwise, block);
  return frame => {
    enter(frame);
    return body(frame);
  };
}
