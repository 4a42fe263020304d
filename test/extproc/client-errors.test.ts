import { assert } from 'chai';
import type { ClientError } from '../../src/domain.ts';
import { answerTo } from '../../src/extproc/client-errors.ts';
import { immediate } from '../../src/extproc/replies.ts';
import { headersSet } from '../support/envoy-messages.ts';

interface Row {
  readonly error: ClientError;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

const ROWS: readonly Row[] = [
  {
    error: { kind: 'malformed_body', message: 'no messages in the request body', param: 'messages' },
    status: 400,
    headers: { 'x-error-request-body-processing': 'true' },
    body: {
      message: 'no messages in the request body',
      type: 'invalid_request_error',
      code: null,
      param: 'messages',
    },
  },
  {
    error: { kind: 'unknown_model', model: 'gpt-0' },
    status: 404,
    headers: { 'x-error-no-model-backends': 'gpt-0' },
    body: {
      message: 'The model `gpt-0` does not exist. Valid aliases: demo, sql.',
      type: 'invalid_request_error',
      code: 'model_not_found',
      param: 'model',
    },
  },
  {
    error: { kind: 'bad_strategy', strategy: 'fastest', why: 'it is none of them' },
    status: 400,
    headers: { 'x-error-routing': 'true' },
    body: {
      message: 'incorrect routing strategy fastest: it is none of them',
      type: 'invalid_request_error',
      code: null,
      param: null,
    },
  },
  {
    error: { kind: 'no_ready_pod', model: 'demo' },
    status: 503,
    headers: { 'x-error-no-model-backends': 'true', 'retry-after': '10' },
    body: {
      message: 'error on getting pods for model demo',
      type: 'overloaded_error',
      code: 'service_unavailable',
      param: null,
    },
  },
  {
    error: { kind: 'shed', model: 'demo' },
    status: 429,
    headers: { 'x-llm-d-request-dropped-reason': 'rejected-saturated', 'retry-after': '10' },
    body: {
      message:
        'all pods for model demo are busy, and the priority of the request allows to drop it: try again later',
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      param: null,
    },
  },
  {
    error: { kind: 'path_refused', path: '/v1/load_lora_adapter' },
    status: 403,
    headers: {},
    body: {
      message: '/v1/load_lora_adapter is not open to clients of this gateway',
      type: 'invalid_request_error',
      code: 'path_refused',
      param: null,
    },
  },
  {
    error: { kind: 'body_too_large', limitBytes: 1024 },
    status: 413,
    headers: { 'x-error-request-body-processing': 'true' },
    body: {
      message: 'the request body is larger than 1024 bytes',
      type: 'invalid_request_error',
      code: null,
      param: null,
    },
  },
];

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

describe('A client error', () => {
  for (const { error, status, headers, body } of ROWS) {
    it(`${error.kind} is answered ${status} in the OpenAI shape`, () => {
      const answer = answerTo(error, { shape: 'openai', models: ['demo', 'sql'] });
      assert.equal(answer.status, status);
      assert.deepEqual(answer.headers, { 'content-type': 'application/json', ...headers });
      assert.deepEqual(JSON.parse(answer.body), { error: body });
      assert.equal(answer.details, `warmroute_${error.kind}`);
    });
  }

  for (const { error, status, headers, body } of ROWS) {
    it(`${error.kind} is answered ${status} in Anthropic's shape, too`, () => {
      const answer = answerTo(error, { shape: 'anthropic', models: ['demo', 'sql'] });
      assert.equal(answer.status, status);
      assert.deepEqual(answer.headers, { 'content-type': 'application/json', ...headers });
      const { message } = body as { message: string };
      assert.deepEqual(JSON.parse(answer.body), {
        type: 'error',
        error: { type: ANTHROPIC_TYPES[status], message },
      });
    });
  }

  it('names some of the models, where there are many', () => {
    const models = Array.from({ length: 1000 }, (_, i) => `model-${i}`);
    const { body } = answerTo({ kind: 'unknown_model', model: 'x' }, { shape: 'openai', models });
    const { message } = (JSON.parse(body) as { error: { message: string } }).error;
    assert.match(
      message,
      /^The model `x` does not exist\. Valid aliases: model-0, .*, model-19 and 980 more\.$/,
    );
    const long = answerTo(
      { kind: 'unknown_model', model: 'x' },
      { shape: 'openai', models: ['m'.repeat(1e6)] },
    );
    assert.isBelow(long.body.length, 1000);
  });

  const NAMES: readonly (readonly [what: string, model: string, value: string])[] = [
    ['a line break', 'a\r\nset-cookie: b', 'a??set-cookie: b'],
    ['a zero byte', 'a\0b', 'a?b'],
    ['text outside ASCII', 'modèle-é', 'mod?le-?'],
    ['an emoji', 'a😀', 'a??'],
    ['spaces around it', ' a ', 'a'],
    ['nothing in it', '', ''],
    ['256 characters and a space', `${'a'.repeat(255)} b`, 'a'.repeat(255)],
    ['very many characters', 'a'.repeat(10_000), 'a'.repeat(256)],
  ];
  for (const [what, model, value] of NAMES) {
    it(`names a model with ${what} in the body, and validly in the header`, () => {
      const { immediate_response: sent } = immediate(
        { kind: 'unknown_model', model },
        { shape: 'openai', models: [] },
      );
      const named = model.length > 256 ? `${model.slice(0, 256)}…` : model;
      assert.equal(JSON.parse(String(sent!.body)).error.message, `The model \`${named}\` does not exist.`);
      assert.equal(headersSet(sent!.headers).get('x-error-no-model-backends'), value);
    });
  }
});
