import type { Statement } from '../syntax/nodes.ts';
import type { Evaluate, Frame } from './rendering.ts';
import { analyze, FunctionScope, type Reference, Symbols } from './symbols.ts';

/** What is found out while a template is compiled. */
export interface Findings {
  /** Names that are looked up among the variables given: `jinja2.meta.find_undeclared_variables`. */
  readonly variables: Set<string>;
}

/** The block that is being compiled. */
export class Scope {
  readonly symbols: Symbols;
  /** Whether what is set here can be seen by name in the whole template. */
  readonly isTop: boolean;
  /** Whether `break` and `continue` have a loop to act on. */
  readonly isInLoop: boolean;
  readonly #findings: Findings;

  private constructor(symbols: Symbols, findings: Findings, isTop: boolean, isInLoop: boolean) {
    this.symbols = symbols;
    this.#findings = findings;
    this.isTop = isTop;
    this.isInLoop = isInLoop;
  }

  static root(statements: readonly Statement[], findings: Findings): Scope {
    const symbols = new Symbols(new FunctionScope(undefined), undefined);
    analyze(symbols, statements);
    return new Scope(symbols, findings, true, false);
  }

  /** A block whose variables live beside those around it. */
  inner(kind: 'loop' | 'block'): Scope {
    return new Scope(new Symbols(this.symbols.scope, this.symbols), this.#findings, false, kind === 'loop');
  }

  /** The body of a macro. */
  macro(): Scope {
    const scope = new FunctionScope(this.symbols.scope);
    return new Scope(new Symbols(scope, this.symbols), this.#findings, false, false);
  }

  /** Gives the variables of the block their first values; to be made when all of the block was analyzed. */
  entering(): (frame: Frame) => void {
    const loads: ((frame: Frame) => void)[] = [];
    for (const [reference, load] of this.symbols.loads) {
      const { slot } = reference;
      if (load.type === 'resolve') {
        const { name } = load;
        this.#findings.variables.add(name);
        loads.push(({ slots, rendering }) => {
          slots[slot] = rendering.resolve(name);
        });
      } else if (load.type === 'alias') {
        const outer = this.read(load.of);
        loads.push(frame => {
          frame.slots[slot] = outer(frame);
        });
      } else if (load.type === 'undefined') {
        loads.push(({ slots }) => {
          slots[slot] = undefined;
        });
      }
    }
    return frame => {
      frame.rendering.budget.spend(loads.length);
      for (const load of loads) load(frame);
    };
  }

  read({ scope, slot }: Reference): Evaluate {
    const hops = this.#hopsTo(scope);
    if (hops === 0) return frame => frame.slots[slot];
    if (hops === 1) return frame => frame.parent!.slots[slot];
    return frame => {
      let at = frame;
      for (let hop = 0; hop < hops; hop++) at = at.parent!;
      return at.slots[slot];
    };
  }

  #hopsTo(scope: FunctionScope): number {
    let hops = 0;
    let at: FunctionScope | undefined = this.symbols.scope;
    for (; at !== undefined && at !== scope; at = at.parent) hops++;
    return hops;
  }
}
