/** The syntax tree of a template, node by node as in `jinja2.nodes`, so that its analyses can be followed. */

export type Expression =
  | { readonly type: 'const'; readonly value: unknown }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list' | 'tuple'; readonly items: readonly Expression[] }
  | { readonly type: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly type: 'getattr'; readonly node: Expression; readonly name: string }
  | { readonly type: 'getitem'; readonly node: Expression; readonly item: Expression }
  | { readonly type: 'getslice'; readonly node: Expression; readonly slice: Slice }
  | Call
  | Filter
  | { readonly type: 'test'; readonly node: Expression; readonly name: string }
  | { readonly type: 'compare'; readonly first: Expression; readonly rest: readonly Comparison[] }
  | {
      readonly type: 'arithmetic';
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: 'concat'; readonly items: readonly Expression[] }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'not'; readonly node: Expression }
  | { readonly type: 'sign'; readonly sign: '-' | '+'; readonly node: Expression }
  | {
      readonly type: 'condition';
      readonly test: Expression;
      readonly yes: Expression;
      readonly no: Expression | undefined;
    };

export interface Slice {
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export interface Comparison {
  readonly operator: string;
  readonly node: Expression;
}

export interface Arguments {
  readonly args: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*values`, after the others. */
  readonly spread: Expression | undefined;
}

export interface Call extends Arguments {
  readonly type: 'call';
  readonly node: Expression;
}

/** Its operand is what the block printed if it is the filter of a block. */
export interface Filter extends Arguments {
  readonly type: 'filter';
  readonly node: Expression | undefined;
  readonly name: string;
}

export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'tuple'; readonly items: readonly Target[] }
  | { readonly type: 'attribute'; readonly name: string; readonly attribute: string };

export interface Parameter {
  readonly name: string;
  readonly default: Expression | undefined;
}

export interface ForNode {
  readonly type: 'for';
  readonly target: Target;
  readonly iterable: Expression;
  readonly test: Expression | undefined;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

export interface IfNode {
  readonly type: 'if';
  readonly test: Expression;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

export interface MacroNode {
  readonly type: 'macro';
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
}

export interface CallBlock {
  readonly type: 'call-block';
  /** undefined for `{% generation %}`, which prints its body. */
  readonly call: Call | undefined;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
}

export type Statement =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'output'; readonly node: Expression }
  | IfNode
  | ForNode
  | { readonly type: 'assign'; readonly target: Target; readonly node: Expression }
  | { readonly type: 'assign-block'; readonly target: Target; readonly body: readonly Statement[] }
  | MacroNode
  | CallBlock
  | { readonly type: 'filter-block'; readonly filter: Filter; readonly body: readonly Statement[] }
  | { readonly type: 'break' | 'continue' };

export type Node = Expression | Statement | Target;
