import type { ChunkedText } from '../chunked-text.ts';
import { admit } from './admit.ts';
import { type ContentFormat, contentFormatOf } from './analysis/content-format.ts';
import { Budget, DEFAULT_LIMITS, type TemplateLimits } from './budget.ts';
import { globalsOf, JINJA_GLOBALS, TIME_FUNCTIONS } from './builtins/functions.ts';
import { type Execute, newFrame, Rendering } from './compile/rendering.ts';
import { Scope } from './compile/scope.ts';
import { compileBlock } from './compile/statements.ts';
import { parseTemplate } from './syntax/parse.ts';
import { type TemplateError, tooMuch, unsupported } from './template-error.ts';

/** In UTF-16 units. The largest templates of known models have some 30,000, and reading takes time quadratic in the worst. */
const LONGEST_SOURCE = 64 * 1024;

/** A chat template, which renders as jinja2 does in vLLM, or not at all. */
export interface ChatTemplate {
  /** How vLLM hands contents to it. */
  readonly contentFormat: ContentFormat;
  /** vLLM makes `developer` messages `system` ones where a template does not name that role. */
  readonly knowsDeveloper: boolean;
  /** Names that the template takes from outside: `jinja2.meta.find_undeclared_variables`. vLLM leaves out other keyword arguments. */
  readonly variables: ReadonlySet<string>;
  /** Whether the text may be another one a second later. */
  readonly dependsOnTime: boolean;
  /**
   * The text of a conversation. Variables are JSON as `JSON.parse` gives it; a number whose text matters is a `JSON.rawJSON` object.
   * Throws a TemplateError, and nothing else.
   */
  render(variables: Readonly<Record<string, unknown>>): ChunkedText;
}

export interface TemplateOptions {
  readonly limits?: Partial<TemplateLimits>;
  /** For templates that print the date. */
  readonly now?: () => Date;
}

/** Reads a template once, so that rendering it walks functions. Throws a TemplateError of the kind `unsupported`. */
export function compileTemplate(
  source: string,
  { limits, now = () => new Date() }: TemplateOptions = {},
): ChatTemplate {
  if (source.length > LONGEST_SOURCE) throw unsupported('a template of more than 64 KiB');
  const bounds = { ...DEFAULT_LIMITS, ...limits };
  return withinStack(
    () => unsupported('such deep nesting'),
    () => {
      const statements = parseTemplate(source);
      const variables = new Set<string>();
      const scope = Scope.root(statements, { variables });
      const enter = scope.entering();
      const body = compileBlock(statements, scope);
      const { slots } = scope.symbols.scope;
      for (const name of JINJA_GLOBALS) variables.delete(name);
      return {
        contentFormat: contentFormatOf(statements),
        knowsDeveloper: source.includes('"developer"') || source.includes("'developer'"),
        variables,
        dependsOnTime: TIME_FUNCTIONS.some(name => variables.has(name)),
        render: given =>
          withinStack(
            () => tooMuch('nesting'),
            () => render({ enter, body, slots }, given, bounds, now),
          ),
      };
    },
  );
}

interface Compiled {
  readonly enter: ReturnType<Scope['entering']>;
  readonly body: Execute;
  readonly slots: number;
}

function render(
  { enter, body, slots }: Compiled,
  given: Readonly<Record<string, unknown>>,
  limits: TemplateLimits,
  now: () => Date,
): ChunkedText {
  const budget = new Budget(limits);
  const variables = admit(given, budget) as Readonly<Record<string, unknown>>;
  const rendering: Rendering = new Rendering(
    budget,
    variables,
    globalsOf(() => rendering),
    now,
  );
  const frame = newFrame(slots, undefined, rendering);
  enter(frame);
  body(frame);
  return rendering.text;
}

/** What is nested beyond the stack is an error like any other. */
function withinStack<T>(beyond: () => TemplateError, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof RangeError ? beyond() : error;
  }
}
