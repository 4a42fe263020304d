import type { Arguments, Node, Parameter } from './nodes.ts';

/** The nodes directly below a node, in the order of `Node.iter_child_nodes`, which decides what jinja2 takes for a store or a load. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.type) {
    case 'const':
    case 'name':
    case 'text':
    case 'attribute':
    case 'break':
    case 'continue':
      return [];
    case 'list':
    case 'tuple':
    case 'concat':
      return node.items;
    case 'dict':
      return node.entries.flat();
    case 'getattr':
    case 'test':
    case 'not':
    case 'sign':
    case 'output':
      return [node.node];
    case 'getitem':
      return [node.node, node.item];
    case 'getslice':
      return present([node.node, node.slice.start, node.slice.stop, node.slice.step]);
    case 'call':
      return [node.node, ...argumentsOf(node)];
    case 'filter':
      return present([node.node, ...argumentsOf(node)]);
    case 'compare':
      return [node.first, ...node.rest.map(({ node: operand }) => operand)];
    case 'arithmetic':
    case 'and':
    case 'or':
      return [node.left, node.right];
    case 'condition':
      return present([node.test, node.yes, node.no]);
    case 'if':
      return [node.test, ...node.body, ...node.otherwise];
    case 'for':
      return present([node.target, node.iterable, ...node.body, ...node.otherwise, node.test]);
    case 'assign':
      return [node.target, node.node];
    case 'assign-block':
      return [node.target, ...node.body];
    case 'macro':
      return [...defaultsOf(node.parameters), ...node.body];
    case 'call-block':
      return present([node.call, ...defaultsOf(node.parameters), ...node.body]);
    case 'filter-block':
      return [...node.body, node.filter];
  }
}

function argumentsOf({ args, named, spread }: Arguments): Node[] {
  return present([...args, ...named.map(([, value]) => value), spread]);
}

function defaultsOf(parameters: readonly Parameter[]): Node[] {
  return present(parameters.map(parameter => parameter.default));
}

function present(nodes: readonly (Node | undefined)[]): Node[] {
  return nodes.filter(node => node !== undefined);
}

/** All nodes below, each before its children: `Node.find_all`. */
export function* descendantsOf(nodes: readonly Node[]): Generator<Node> {
  const waiting = nodes.toReversed();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    yield node;
    for (const child of childrenOf(node).toReversed()) waiting.push(child);
  }
}
