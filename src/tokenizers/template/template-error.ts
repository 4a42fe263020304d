/**
 * Why there is no text.
 * - `unsupported`: the template, or what it does with this conversation, is beyond what is rendered here exactly as jinja2 would
 * - `raised`: the template itself refuses the conversation (`raise_exception`)
 * - `failed`: jinja2 would fail, too: a missing member is used, unlike types are added
 * - `too_much`: more steps, characters or nesting than the limits allow
 */
export type TemplateErrorKind = 'unsupported' | 'raised' | 'failed' | 'too_much';

/** The one error of compiling and rendering. Its message never holds text of a conversation. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly kind: TemplateErrorKind;

  constructor(kind: TemplateErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export function unsupported(what: string): TemplateError {
  return new TemplateError('unsupported', `not rendered here: ${what}`);
}

export function failed(why: string): TemplateError {
  return new TemplateError('failed', `the template fails: ${why}`);
}

export function tooMuch(what: string): TemplateError {
  return new TemplateError('too_much', `more than the limits of templates allow: ${what}`);
}
