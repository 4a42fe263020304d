import type { Expression, ForNode, Node, Parameter, Statement, Target } from '../syntax/nodes.ts';
import { childrenOf } from '../syntax/walk.ts';

/** Variables of the template, or of one call of a macro. */
export class FunctionScope {
  readonly parent: FunctionScope | undefined;
  #slots = 0;

  constructor(parent: FunctionScope | undefined) {
    this.parent = parent;
  }

  get slots(): number {
    return this.#slots;
  }

  newSlot(): number {
    return this.#slots++;
  }
}

/** Where a variable lives. */
export interface Reference {
  readonly scope: FunctionScope;
  readonly slot: number;
}

/** What a variable is when its block begins. */
export type Load =
  | { readonly type: 'parameter' | 'undefined' }
  /** Looked up by name among the variables of the rendering. */
  | { readonly type: 'resolve'; readonly name: string }
  /** That of the block around. */
  | { readonly type: 'alias'; readonly of: Reference };

/**
 * Which name means which variable in one block: `jinja2.idtracking.Symbols`, method by method, since what a name means before and
 * after a `set` follows from it.
 */
export class Symbols {
  readonly scope: FunctionScope;
  readonly #parent: Symbols | undefined;
  #references = new Map<string, Reference>();
  #loads = new Map<Reference, Load>();
  #stores = new Set<string>();
  /** One reference for each name, in all branches alike. */
  #own = new Map<string, Reference>();

  constructor(scope: FunctionScope, parent: Symbols | undefined) {
    this.scope = scope;
    this.#parent = parent;
  }

  get loads(): ReadonlyMap<Reference, Load> {
    return this.#loads;
  }

  find(name: string): Reference | undefined {
    return this.#references.get(name) ?? this.#parent?.find(name);
  }

  /** The reference of a name that was analyzed. */
  reference(name: string): Reference {
    const found = this.find(name);
    if (found === undefined) throw new Error('a name that was not analyzed');
    return found;
  }

  declareParameter(name: string): Reference {
    this.#stores.add(name);
    return this.#define(name, { type: 'parameter' });
  }

  store(name: string): void {
    this.#stores.add(name);
    if (this.#references.has(name)) return;
    const outer = this.#parent?.find(name);
    this.#define(name, outer === undefined ? { type: 'undefined' } : { type: 'alias', of: outer });
  }

  load(name: string): void {
    if (this.find(name) === undefined) this.#define(name, { type: 'resolve', name });
  }

  /** What is stored in some branch has the value from before in the others. */
  branches(visits: readonly ((symbols: Symbols) => void)[]): void {
    const branches = visits.map(visit => {
      const branch = this.#copy();
      visit(branch);
      return branch;
    });
    const stores = new Set(
      branches.flatMap(branch => [...branch.#stores]).filter(name => !this.#stores.has(name)),
    );
    for (const branch of branches) {
      for (const [name, reference] of branch.#references) this.#references.set(name, reference);
      for (const [reference, load] of branch.#loads) this.#loads.set(reference, load);
      for (const name of branch.#stores) this.#stores.add(name);
    }
    for (const name of stores) {
      const outer = this.#parent?.find(name);
      this.#loads.set(
        this.reference(name),
        outer === undefined ? { type: 'resolve', name } : { type: 'alias', of: outer },
      );
    }
  }

  #define(name: string, load: Load): Reference {
    let reference = this.#own.get(name);
    if (reference === undefined) {
      reference = { scope: this.scope, slot: this.scope.newSlot() };
      this.#own.set(name, reference);
    }
    this.#references.set(name, reference);
    this.#loads.set(reference, load);
    return reference;
  }

  #copy(): Symbols {
    const copy = new Symbols(this.scope, this.#parent);
    copy.#references = new Map(this.#references);
    copy.#loads = new Map(this.#loads);
    copy.#stores = new Set(this.#stores);
    copy.#own = this.#own;
    return copy;
  }
}

/** The statements of a block; blocks within are analyzed when they are compiled. */
export function analyze(symbols: Symbols, statements: readonly Statement[]): void {
  for (const statement of statements) analyzeStatement(symbols, statement);
}

export function analyzeLoop(symbols: Symbols, node: ForNode, part: 'body' | 'otherwise' | 'test'): void {
  if (part !== 'otherwise') declare(symbols, node.target);
  if (part === 'otherwise') analyze(symbols, node.otherwise);
  else if (part === 'body') analyze(symbols, node.body);
  else if (node.test !== undefined) analyzeExpression(symbols, node.test);
}

export function analyzeMacro(
  symbols: Symbols,
  parameters: readonly Parameter[],
  body: readonly Statement[],
): void {
  for (const { name } of parameters) symbols.declareParameter(name);
  for (const parameter of parameters)
    if (parameter.default !== undefined) analyzeExpression(symbols, parameter.default);
  analyze(symbols, body);
}

export function analyzeExpression(symbols: Symbols, expression: Expression): void {
  if (expression.type === 'name') symbols.load(expression.name);
  else for (const child of childrenOf(expression)) analyzeExpression(symbols, child as Expression);
}

function declare(symbols: Symbols, target: Target): void {
  if (target.type === 'name') symbols.declareParameter(target.name);
  else if (target.type === 'tuple') for (const item of target.items) declare(symbols, item);
}

function analyzeTarget(symbols: Symbols, target: Target): void {
  if (target.type === 'name') symbols.store(target.name);
  else if (target.type === 'attribute') symbols.load(target.name);
  else for (const item of target.items) analyzeTarget(symbols, item);
}

function analyzeStatement(symbols: Symbols, node: Statement): void {
  switch (node.type) {
    case 'output':
      analyzeExpression(symbols, node.node);
      break;
    case 'if':
      analyzeExpression(symbols, node.test);
      symbols.branches([branch => analyze(branch, node.body), branch => analyze(branch, node.otherwise)]);
      break;
    case 'for':
      analyzeExpression(symbols, node.iterable);
      break;
    case 'assign':
      analyzeExpression(symbols, node.node);
      analyzeTarget(symbols, node.target);
      break;
    case 'assign-block':
      analyzeTarget(symbols, node.target);
      break;
    case 'macro':
      symbols.store(node.name);
      break;
    case 'call-block':
      if (node.call !== undefined) analyzeExpression(symbols, node.call);
      break;
    case 'filter-block':
      analyzeExpression(symbols, node.filter);
      break;
    default:
  }
}

/** `jinja2.compiler.find_undeclared` for one name: whether it is read before the same block stores it. */
export function readsName(nodes: readonly Node[], name: string): boolean {
  return firstUse(nodes, name, 'load') === 'load';
}

function firstUse(
  nodes: readonly Node[],
  name: string,
  kind: 'load' | 'store',
): 'load' | 'store' | undefined {
  for (const node of nodes) {
    const found = useOf(node, name, kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

function useOf(node: Node, name: string, kind: 'load' | 'store'): 'load' | 'store' | undefined {
  switch (node.type) {
    case 'name':
      return node.name === name ? kind : undefined;
    case 'for':
    case 'assign':
    case 'assign-block': {
      const stored = firstUse([node.target], name, 'store');
      return stored ?? firstUse(childrenOf(node).slice(1), name, 'load');
    }
    case 'macro':
    case 'call-block':
      if (node.type === 'call-block' && node.call !== undefined) {
        const called = useOf(node.call, name, 'load');
        if (called !== undefined) return called;
      }
      if (node.parameters.some(parameter => parameter.name === name)) return 'store';
      return firstUse(childrenOf(node), name, 'load');
    default:
      return firstUse(childrenOf(node), name, kind);
  }
}
