/** The errors that the simulated engine's HTTP API answers with, in vLLM's shapes and words. */

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly type: string;
  readonly param: string | null;

  constructor(status: number, type: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
  }

  get body(): object {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.status } };
  }
}

/** In the shape of `/v1/messages`. What is found before its handler is reached, in the body's fields, has the other shape there. */
export class AnthropicApiError extends ApiError {
  override get body(): object {
    return { type: 'error', error: { type: this.type, message: this.message } };
  }
}

/** `param` is repeated in the message, as vLLM does. */
export function badRequest(message: string, param: string | null = null): ApiError {
  return new ApiError(400, 'BadRequestError', message, param);
}

/** One complaint about a body field, in pydantic's terms. */
export interface FieldProblem {
  /** E.g. `missing`, `string_type`. */
  readonly type: string;
  /** E.g. `body.messages`. */
  readonly loc: string;
  readonly msg: string;
  /** The value at `loc`, shown by its size only if it is a list or an object. */
  readonly input: unknown;
  /** More about the rule that was broken, as Python writes it, e.g. `{'ge': 0}`. */
  readonly ctx?: string;
}

export function validationError(...problems: readonly [FieldProblem, ...FieldProblem[]]): ApiError {
  const lines = problems.map(
    ({ type, loc, msg, input, ctx }) =>
      `  {'type': '${type}', 'loc': '${loc}', 'msg': '${msg}', 'input': '${summaryOf(input)}'` +
      `${ctx === undefined ? '' : `, 'ctx': ${ctx}`}}`,
  );
  const count = `${problems.length} validation error${problems.length === 1 ? '' : 's'}`;
  return new ApiError(400, 'Bad Request', `${count}:\n${lines.join('\n')}`, problems[0].loc);
}

export function missingField(body: object, field: string): FieldProblem {
  return { type: 'missing', loc: `body.${field}`, msg: 'Field required', input: body };
}

function summaryOf(input: unknown): string {
  if (Array.isArray(input)) return `<list of ${input.length} items>`;
  if (typeof input === 'object' && input !== null) return `<dict of ${Object.keys(input).length} items>`;
  return String(input);
}

export function unsupportedMediaType(): ApiError {
  return new ApiError(
    400,
    'Bad Request',
    "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
  );
}

/** 0.32 names the models that exist, 0.23 does not. */
export function unknownModel(model: string, aliases: readonly string[] | undefined): ApiError {
  const valid = aliases === undefined ? '' : ` Valid aliases: ${aliases.join(', ')}.`;
  return new ApiError(404, 'NotFoundError', `The model \`${model}\` does not exist.${valid}`, 'model');
}

export function renderDisabled(): ApiError {
  return new ApiError(
    403,
    'PermissionDeniedError',
    'Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.',
  );
}
