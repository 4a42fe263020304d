import { unsupported } from '../template-error.ts';
import { asFloat, type Float } from '../values/values.ts';
import type { ParsedNode, Token } from './jinja.ts';
import type {
  Arguments,
  Comparison,
  Expression,
  Filter,
  Parameter,
  Slice,
  Statement,
  Target,
} from './nodes.ts';

/** What `{% generation %}` calls: no name that a template can write. */
export const GENERATION = 'generation block';

/** What the library's tree does not say of its source. */
export interface Marks {
  /** In which bracket each token stands. */
  readonly groups: Map<Token, number>;
  /** Of each `for`, in their order, whether an `if` belongs to it. */
  readonly filteredLoops: boolean[];
}

const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);
/** Words of the language, which are no names. */
export const WORDS: ReadonlySet<string> = new Set([
  'not',
  'and',
  'or',
  'if',
  'else',
  'elif',
  'in',
  'is',
  'for',
  'recursive',
]);
/** What jinja2 itself puts into such variables is not made here. */
const TEMPLATE_NAMES = new Set(['self', 'super']);
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in']);
const SUMS = new Set(['+', '-', '~']);
const PRODUCTS = new Set(['*', '/', '//', '%', '**']);

/** Reads the library's tree into ours. Throws a TemplateError where the two languages would not mean the same. */
export class Reader {
  readonly #marks: Marks;
  #loops = 0;

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  statements(nodes: unknown): Statement[] {
    return (nodes as readonly ParsedNode[])
      .filter(({ type }) => type !== 'Comment')
      .map(node => this.#statement(node));
  }

  #statement(node: ParsedNode): Statement {
    switch (node.type) {
      case 'StringLiteral':
        return { type: 'text', text: node.value as string };
      case 'If':
        return {
          type: 'if',
          test: this.#expression(node.test),
          body: this.statements(node.body),
          otherwise: this.statements(node.alternate),
        };
      case 'For':
        return this.#loop(node);
      case 'Set':
        return this.#assignment(node);
      case 'Macro':
        return {
          type: 'macro',
          name: this.#storedName(node.name),
          parameters: this.#parameters(node.args),
          body: this.statements(node.body),
        };
      case 'CallStatement':
        return this.#callBlock(node);
      case 'FilterStatement':
        return {
          type: 'filter-block',
          filter: this.#filter(node.filter, undefined),
          body: this.statements(node.body),
        };
      case 'Break':
        return { type: 'break' };
      case 'Continue':
        return { type: 'continue' };
      default:
        return { type: 'output', node: this.#expression(node) };
    }
  }

  #loop(node: ParsedNode): Statement {
    const isFiltered = this.#marks.filteredLoops[this.#loops++] === true;
    const iterable = node.iterable as ParsedNode;
    if (isFiltered !== (iterable.type === 'SelectExpression'))
      throw unsupported('such a condition of a loop');
    return {
      type: 'for',
      target: this.#target(node.loopvar),
      iterable: this.#expression(isFiltered ? iterable.lhs : iterable),
      test: isFiltered ? this.#expression(iterable.test) : undefined,
      body: this.statements(node.body),
      otherwise: this.statements(node.defaultBlock),
    };
  }

  #assignment(node: ParsedNode): Statement {
    const target = this.#target(node.assignee);
    return node.value === null
      ? { type: 'assign-block', target, body: this.statements(node.body) }
      : { type: 'assign', target, node: this.#expression(node.value) };
  }

  #callBlock(node: ParsedNode): Statement {
    const called = this.#expression(node.call);
    if (called.type !== 'call') throw unsupported('such a call block');
    const isGeneration = called.node.type === 'name' && called.node.name === GENERATION;
    return {
      type: 'call-block',
      call: isGeneration ? undefined : called,
      parameters: node.callerArgs === null ? [] : this.#parameters(node.callerArgs),
      body: this.statements(node.body),
    };
  }

  #parameters(nodes: unknown): Parameter[] {
    return (nodes as readonly ParsedNode[]).map(node =>
      node.type === 'KeywordArgumentExpression'
        ? { name: this.#storedName(node.key), default: this.#expression(node.value) }
        : { name: this.#storedName(node), default: undefined },
    );
  }

  #target(node: unknown): Target {
    const target = node as ParsedNode;
    if (target.type === 'TupleLiteral') {
      const items = (target.value as readonly unknown[]).map(item => this.#target(item));
      if (items.some(({ type }) => type === 'attribute')) throw unsupported('attributes set among others');
      return { type: 'tuple', items };
    }
    if (target.type === 'MemberExpression' && target.computed === false) {
      return {
        type: 'attribute',
        name: this.#storedName(target.object),
        attribute: this.#nameOf(target.property),
      };
    }
    return { type: 'name', name: this.#storedName(target) };
  }

  #storedName(node: unknown): string {
    const name = this.#nameOf(node);
    if (CONSTANTS.has(name) || WORDS.has(name) || name === GENERATION || name === 'loop')
      throw unsupported('such a name of a variable');
    return name;
  }

  #nameOf(node: unknown): string {
    const { type, value } = node as ParsedNode;
    if (type !== 'Identifier') throw unsupported('what is no name, where one is needed');
    return value as string;
  }

  #expression(parsed: unknown): Expression {
    const node = parsed as ParsedNode;
    switch (node.type) {
      case 'Identifier':
        return nameOrConstant(node.value as string);
      case 'StringLiteral':
        return { type: 'const', value: node.value };
      case 'IntegerLiteral':
        if (!Number.isSafeInteger(node.value)) throw unsupported('integers beyond 2^53');
        return { type: 'const', value: (node.value as number) + 0 };
      case 'FloatLiteral':
        return { type: 'const', value: asFloatLiteral(node.value as number) };
      case 'ArrayLiteral':
        return { type: 'list', items: this.#expressions(node.value) };
      case 'TupleLiteral':
        return { type: 'tuple', items: this.#expressions(node.value) };
      case 'ObjectLiteral':
        return {
          type: 'dict',
          entries: [...(node.value as ReadonlyMap<unknown, unknown>)].map(([key, value]) => [
            this.#expression(key),
            this.#expression(value),
          ]),
        };
      case 'MemberExpression':
        return this.#member(node);
      case 'CallExpression':
        return { type: 'call', node: this.#expression(node.callee), ...this.#arguments(node.args) };
      case 'FilterExpression':
        return this.#filter(node.filter, this.#expression(node.operand));
      case 'TestExpression':
        return this.#test(node);
      case 'SelectExpression':
        return {
          type: 'condition',
          test: this.#expression(node.test),
          yes: this.#expression(node.lhs),
          no: undefined,
        };
      case 'Ternary':
        return {
          type: 'condition',
          test: this.#expression(node.condition),
          yes: this.#expression(node.trueExpr),
          no: this.#expression(node.falseExpr),
        };
      case 'UnaryExpression':
        return this.#unary(node);
      case 'BinaryExpression':
        return this.#binary(node);
      default:
        throw unsupported('such an expression');
    }
  }

  #expressions(nodes: unknown): Expression[] {
    return (nodes as readonly unknown[]).map(node => this.#expression(node));
  }

  #member(node: ParsedNode): Expression {
    const object = this.#expression(node.object);
    const property = node.property as ParsedNode;
    if (property.type === 'SliceExpression') {
      return { type: 'getslice', node: object, slice: this.#slice(property) };
    }
    if (node.computed === true || property.type === 'IntegerLiteral') {
      return { type: 'getitem', node: object, item: this.#expression(property) };
    }
    return { type: 'getattr', node: object, name: this.#nameOf(property) };
  }

  #slice(node: ParsedNode): Slice {
    const part = (name: string) => (node[name] === undefined ? undefined : this.#expression(node[name]));
    return { start: part('start'), stop: part('stop'), step: part('step') };
  }

  #arguments(nodes: unknown): Arguments {
    const args: Expression[] = [];
    const named: [string, Expression][] = [];
    let spread: Expression | undefined;
    for (const node of nodes as readonly ParsedNode[]) {
      if (node.type === 'SpreadExpression') spread = this.#expression(node.argument);
      else if (node.type !== 'KeywordArgumentExpression') args.push(this.#expression(node));
      else named.push([this.#nameOf(node.key), this.#expression(node.value)]);
    }
    if (new Set(named.map(([name]) => name)).size < named.length)
      throw unsupported('an argument that is given twice');
    return { args, named, spread };
  }

  #filter(filter: unknown, node: Expression | undefined): Filter {
    const { type, callee, args } = filter as ParsedNode;
    return type === 'CallExpression'
      ? { type: 'filter', node, name: this.#nameOf(callee), ...this.#arguments(args) }
      : { type: 'filter', node, name: this.#nameOf(filter), args: [], named: [], spread: undefined };
  }

  #test(node: ParsedNode): Expression {
    const operand = node.operand as ParsedNode;
    if (operand.type === 'TestExpression') throw unsupported('tests of tests');
    const test: Expression = {
      type: 'test',
      node: this.#expression(operand),
      name: this.#nameOf(node.test),
    };
    return node.negate === true ? { type: 'not', node: test } : test;
  }

  #unary(node: ParsedNode): Expression {
    const argument = this.#expression(node.argument);
    const { value } = node.operator as Token;
    if (value === 'not') return { type: 'not', node: argument };
    if (value === '-' || value === '+') return { type: 'sign', sign: value, node: argument };
    throw unsupported('such an operator');
  }

  #binary(node: ParsedNode): Expression {
    const operator = operatorOf(node);
    if (operator === 'and' || operator === 'or') {
      return { type: operator, left: this.#expression(node.left), right: this.#expression(node.right) };
    }
    if (COMPARISONS.has(operator)) return this.#comparison(node);
    if (SUMS.has(operator)) return this.#sum(node);
    if (!PRODUCTS.has(operator)) throw unsupported('such an operator');
    return {
      type: 'arithmetic',
      operator,
      left: this.#expression(node.left),
      right: this.#expression(node.right),
    };
  }

  /** `a < b < c` is one comparison, `(a < b) < c` are two. */
  #comparison(node: ParsedNode): Expression {
    const { operands, operators } = this.#chain(node, COMPARISONS);
    const rest: Comparison[] = operators.map((operator, at) => ({
      operator,
      node: this.#expression(operands[at + 1]),
    }));
    return { type: 'compare', first: this.#expression(operands[0]), rest };
  }

  /** In jinja2, `~` binds closer than `+` and `-`; in the library they are equal. */
  #sum(node: ParsedNode): Expression {
    const { operands, operators } = this.#chain(node, SUMS);
    let sum: Expression | undefined;
    let sign = '';
    let pieces = [this.#expression(operands[0])];
    const add = () => {
      const right: Expression = pieces.length === 1 ? pieces[0]! : { type: 'concat', items: pieces };
      sum = sum === undefined ? right : { type: 'arithmetic', operator: sign, left: sum, right };
    };
    for (const [at, operator] of operators.entries()) {
      const operand = this.#expression(operands[at + 1]);
      if (operator === '~') pieces.push(operand);
      else {
        add();
        sign = operator;
        pieces = [operand];
      }
    }
    add();
    return sum!;
  }

  /** Operands of operators of one kind that stand side by side, without brackets between them. */
  #chain(node: ParsedNode, kind: ReadonlySet<string>): { operands: unknown[]; operators: string[] } {
    const operands: unknown[] = [];
    const operators: string[] = [];
    let left = node;
    for (;;) {
      operands.push(left.right);
      operators.push(operatorOf(left));
      const next = left.left as ParsedNode;
      if (!this.#continues(next, left, kind)) {
        operands.push(next);
        return { operands: operands.reverse(), operators: operators.reverse() };
      }
      left = next;
    }
  }

  #continues(left: ParsedNode, node: ParsedNode, kind: ReadonlySet<string>): boolean {
    if (left.type !== 'BinaryExpression' || !kind.has(operatorOf(left))) return false;
    const [inner, outer] = [this.#groupOf(left), this.#groupOf(node)];
    if (inner === undefined || outer === undefined) throw unsupported('`not in` beside other comparisons');
    return inner === outer;
  }

  #groupOf(node: ParsedNode): number | undefined {
    return this.#marks.groups.get(node.operator as Token);
  }
}

function operatorOf(node: ParsedNode): string {
  return (node.operator as Token).value;
}

function nameOrConstant(name: string): Expression {
  if (CONSTANTS.has(name)) return { type: 'const', value: CONSTANTS.get(name) };
  if (WORDS.has(name) || TEMPLATE_NAMES.has(name)) throw unsupported('such a name of a variable');
  return { type: 'name', name };
}

function asFloatLiteral(value: number): number | Float {
  if (!Number.isFinite(value)) throw unsupported('floats that overflow');
  return asFloat(value);
}
