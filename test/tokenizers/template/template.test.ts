import { assert } from 'chai';
import fc from 'fast-check';
import type { TemplateLimits } from '../../../src/tokenizers/template/budget.ts';
import { compileTemplate } from '../../../src/tokenizers/template/template.ts';
import { TemplateError } from '../../../src/tokenizers/template/template-error.ts';

const SMALL: TemplateLimits = { steps: 200_000, characters: 100_000, depth: 40 };

/** The text, or the kind of the error. */
function outcome(source: string, variables: Readonly<Record<string, unknown>> = {}): string {
  try {
    return String(compileTemplate(source, { limits: SMALL }).render(variables));
  } catch (error) {
    assert.instanceOf(error, TemplateError, String(error));
    return error.kind;
  }
}

function grown(by: string): string {
  return `{% set ns = namespace(x=['ab'], s='ab') %}{% for i in range(100) %}{% set ns.${by} %}{% endfor %}{{ ns.s }}{{ ns.x }}`;
}

describe('A hostile chat template', () => {
  const tooMuch: Readonly<Record<string, string>> = {
    'nested empty loops': '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}',
    'a giant range': '{{ range(10 ** 12)|list }}',
    'a repeated string': "{{ 'x' * 10 ** 9 }}",
    'a repeated list': '{{ [1] * 10 ** 9 }}',
    'a doubled string': grown('s = ns.s ~ ns.s'),
    'an added string': grown('s = ns.s + ns.s'),
    'a replaced string': grown("s = ns.s|replace('a', 'aaaa')"),
    'a joined string': grown('s = [ns.s, ns.s, ns.s]|join'),
    'a formatted string': grown("s = '%s%s' % (ns.s, ns.s)"),
    'an escaped string': `${grown("s = ns.s ~ '&&'").replace('100', '9999')}{{ ns.s|e }}`,
    'an indented text': "{{ ('a\\n' * 1000)|indent(1000) }}",
    'a doubled list': grown('x = ns.x + ns.x'),
    'a list of itself, printed': grown('x = [ns.x, ns.x]'),
    'a list of itself, as JSON': `${grown('x = [ns.x, ns.x]').replace('{{ ns.s }}{{ ns.x }}', '')}{{ ns.x|tojson }}`,
    'a deep list': `${grown('x = [ns.x]')}`,
    'a recursive macro': '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
    'a macro that branches':
      '{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}',
    sorting: '{% for i in range(99) %}{% set x = range(9999)|sort %}{% endfor %}',
    'a slow search':
      "{% set a = 'a' * 90000 %}{% for i in range(99) %}{{ ('b' ~ 'a' * 900) in a }}{% endfor %}",
    splitting: "{% set a = 'a,' * 40000 %}{% for i in range(99) %}{% set x = a.split(',') %}{% endfor %}",
    'variables of a loop': `{% for i in range(9999) %}{% if 0 %}${Array.from({ length: 99 }, (_, at) => `{% set a${at} = 1 %}`).join('')}{% endif %}{% endfor %}`,
  };
  for (const [name, source] of Object.entries(tooMuch)) {
    it(`is stopped: ${name}`, () => assert.strictEqual(outcome(source), 'too_much'));
  }

  const refused: Readonly<Record<string, string>> = {
    brackets: `{{ ${'['.repeat(50_000)}${']'.repeat(50_000)} }}`,
    operators: `{{ 1${' * 1'.repeat(50_000)} }}`,
    blocks: `${'{% if 1 %}'.repeat(9000)}${'{% endif %}'.repeat(9000)}`,
    'spaces in a tag': `{% ${' '.repeat(200_000)} if 1 %}{% endif %}`,
    'spaces in a string': `{{ '${' '.repeat(200_000)}' }}`,
    'a long source': ' '.repeat(300_000),
    'an open tag': '{{ '.repeat(50_000),
  };
  for (const [name, source] of Object.entries(refused)) {
    it(`is refused: ${name}`, () => assert.strictEqual(outcome(source), 'unsupported'));
  }

  it('refuses a conversation that is nested too deeply', () => {
    let deep: unknown = [];
    for (let level = 0; level < 5000; level++) deep = [deep];
    assert.strictEqual(outcome('x', { deep }), 'too_much');
  });

  it('sees nothing that JavaScript gives its objects', () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'prototype', 'length', 'valueOf', 'then'];
    for (const name of names) {
      const source = ['d', 's', 'l', 'n', 'ns']
        .map(of => `{{ ${of}.${name} }}{{ ${of}['${name}'] }}`)
        .join('');
      const variables = { d: JSON.parse('{"a":1}'), s: 'x', l: [1], n: 1 };
      assert.strictEqual(outcome(`{% set ns = namespace() %}${source}`, variables), '', name);
      assert.strictEqual(outcome(`{{ ${name} }}`, {}), '', name);
    }
    assert.strictEqual(outcome("{{ d['__proto__'] }}|{{ 'mro' in d }}", { d: {} }), '|False');
    assert.strictEqual(outcome('{{ d.__class__ }}', { d: {} }), 'unsupported');
  });

  it('may do as much with what was rendered before as with what is new', () => {
    for (let steps = 10; steps < 200; steps++) {
      const variables = { tools: [{ name: 'f', parameters: { a: [1, 2, 3], b: 'x'.repeat(300) } }] };
      const { render } = compileTemplate('{% for t in tools %}{{ t | tojson }}{% endfor %}', {
        limits: { ...SMALL, steps },
      });
      const [first, again] = [0, 1].map(() => {
        try {
          return String(render(variables));
        } catch (error) {
          return (error as TemplateError).kind;
        }
      });
      assert.equal(again, first, `${steps} steps`);
    }
  });

  it('is stopped where its text becomes too long, however little is printed at once', () => {
    const source = "{% for i in range(9999) %}{{ 'xxxxxxxxxxxxxxxxxxxx' }}{% endfor %}";
    assert.equal(outcome(source), 'too_much');
    assert.equal(outcome(source.replace('9999', '4000')).length, 80_000);
  });

  it('makes nothing but a text or a TemplateError', () => {
    const word = fc.constantFrom(
      ...[
        '{{',
        '}}',
        '{%',
        '%}',
        '{#',
        '#}',
        '-%}',
        '{%-',
        'if',
        'else',
        'endif',
        'for',
        'x',
        'in',
        'endfor',
        'set',
        '=',
        'ns',
        '.',
      ],
      ...[
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        ':',
        ',',
        '|',
        '~',
        '+',
        '-',
        '*',
        '**',
        '//',
        '%',
        '<',
        '==',
        'not',
        'and',
        'is',
        'loop',
      ],
      ...[
        "'a'",
        '"',
        '1',
        '2.5',
        'macro',
        'endmacro',
        'namespace',
        'items',
        'keys',
        'map',
        'select',
        'tojson',
        'join',
        'sort',
      ],
      ...[
        'upper',
        'split',
        'strip',
        'replace',
        'defined',
        'none',
        'true',
        'range',
        'dict',
        'generation',
        'endgeneration',
        '\n',
        ' ',
      ],
    );
    const source = fc.array(word, { maxLength: 25 }).map(words => words.join(' '));
    const expression = fc.array(word, { maxLength: 8 }).map(words => `{{ x ${words.join(' ')} }}`);
    const filters = fc
      .tuple(word, word, word)
      .map(([a, b, c]) => `{{ x|${a}(${b})|${c} }}{{ x.${a}(${b}) }}{{ x is ${c} }}`);
    fc.assert(
      fc.property(fc.oneof(source, expression, filters), fc.jsonValue(), (template, x) => {
        assert.isString(outcome(template, { x }));
      }),
      { numRuns: 1500 },
    );
  });
});

describe('What is known of a chat template', () => {
  it('is which variables it takes', () => {
    const source =
      '{% set a = b %}{{ a }}{% for m in messages %}{{ m }}{{ loop.index }}{{ c }}{% endfor %}{{ range(d) }}';
    assert.sameMembers([...compileTemplate(source).variables], ['b', 'messages', 'c', 'd']);
  });

  it('is whether it knows developers', () => {
    assert.isTrue(compileTemplate("{{ 'developer' }}").knowsDeveloper);
    assert.isFalse(compileTemplate('{{ developer }}').knowsDeveloper);
  });

  it('is whether it takes contents as lists', () => {
    const formats: Readonly<Record<string, 'string' | 'openai'>> = {
      '{% for m in messages %}{{ m.content }}{% endfor %}': 'string',
      '{% for m in messages %}{% for c in m.content %}{% endfor %}{% endfor %}': 'openai',
      "{% for m in messages %}{% for c in m['content']|list %}{% endfor %}{% endfor %}": 'openai',
      '{% set r = messages[1:] %}{% for m in r %}{% for c in m.content %}{% endfor %}{% endfor %}': 'openai',
      '{% for content in x %}{% for i in content %}{% endfor %}{% endfor %}': 'openai',
      '{% macro f(content) %}{% for i in content %}{% endfor %}{% endmacro %}': 'string',
      '{% macro f(p) %}{% for i in p %}{% endfor %}{% endmacro %}{% for m in messages %}{{ f(m.content) }}{% endfor %}':
        'openai',
      '{% macro f(a, p) %}{% for i in p %}{% endfor %}{% endmacro %}{% for m in messages %}{{ f(1, p=m.content) }}{% endfor %}':
        'openai',
      '{% for a, b in messages %}{% for c in content %}{% endfor %}{% endfor %}': 'string',
    };
    for (const [source, format] of Object.entries(formats)) {
      assert.strictEqual(compileTemplate(source).contentFormat, format, source);
    }
  });

  it('is whether it prints the time', () => {
    const now = () => new Date(2026, 0, 5, 15, 4, 9);
    const dated = compileTemplate("{{ strftime_now('%d %b %Y %B %A %a %H:%I:%M:%S %p %y %m %%') }}", { now });
    assert.isTrue(dated.dependsOnTime);
    assert.strictEqual(String(dated.render({})), '05 Jan 2026 January Monday Mon 15:03:04:09 PM 26 01 %');
    assert.isFalse(compileTemplate('{{ messages }}').dependsOnTime);
  });
});
