import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { parseExactly } from '../../../src/prompt/exact-json.ts';
import { compileTemplate } from '../../../src/tokenizers/template/template.ts';
import { TemplateError, type TemplateErrorKind } from '../../../src/tokenizers/template/template-error.ts';

/** What transformers' own environment rendered, with the versions that the file names. */
interface Semantics {
  readonly versions: string;
  readonly variables: string;
  readonly rendered: readonly (readonly [template: string, text: string])[];
  /** Templates that Python fails to render, and so do we. */
  readonly fails: readonly string[];
  /** Templates that are not rendered here, whatever Python makes of them. */
  readonly refused: readonly string[];
}

interface Real {
  readonly source: string;
  readonly template: string;
  readonly contentFormat: string;
  readonly cases: readonly { readonly variables: string; readonly text: string | null }[];
}

const semantics = read<Semantics>('semantics');
const variables = parseExactly(Buffer.from(semantics.variables));

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../fixtures/templates/${name}.json`, import.meta.url), 'utf8'));
}

function errorOf(run: () => unknown): TemplateErrorKind {
  try {
    run();
  } catch (error) {
    assert.instanceOf(error, TemplateError);
    return error.kind;
  }
  return assert.fail('was rendered');
}

describe('A chat template', () => {
  for (const [template, text] of semantics.rendered) {
    it(`prints ${JSON.stringify(template)} as Python does`, () => {
      assert.strictEqual(String(compileTemplate(template).render(variables)), text);
    });
  }

  for (const template of semantics.fails) {
    it(`fails at ${JSON.stringify(template)} as Python does`, () => {
      assert.oneOf(
        errorOf(() => compileTemplate(template).render(variables)),
        ['failed', 'raised', 'too_much'],
      );
    });
  }

  for (const template of semantics.refused) {
    it(`refuses ${JSON.stringify(template)}`, () => {
      assert.strictEqual(
        errorOf(() => compileTemplate(template).render(variables)),
        'unsupported',
      );
    });
  }

  for (const name of ['qwen3', 'deepseek-v3', 'mistral-nemo', 'qwen3-6']) {
    const { source, template, contentFormat, cases } = read<Real>(name);
    it(`of ${source} renders as vLLM does`, () => {
      const compiled = compileTemplate(template);
      assert.strictEqual(compiled.contentFormat, contentFormat);
      for (const { variables: given, text } of cases) {
        const render = () => compiled.render(parseExactly(Buffer.from(given)));
        if (text === null) assert.include(['failed', 'raised'], errorOf(render));
        else assert.strictEqual(String(render()), text);
      }
    });
  }
});
