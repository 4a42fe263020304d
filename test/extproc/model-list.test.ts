import { assert } from 'chai';
import type { ModelEntry } from '../../src/domain.ts';
import {
  headersSet,
  type ProtocolConfig,
  requestHeaders,
  responseHeaders,
} from '../support/envoy-messages.ts';
import { anExchange, happen } from './dialogue.ts';
import { told } from './told.ts';

const MODELS: readonly ModelEntry[] = [
  { id: 'meta/llama', root: 'meta/llama' },
  { id: 'sql', root: 'meta/llama' },
];
const ANTHROPIC = { 'anthropic-version': '2023-06-01' };

function asked(path: string, headers: Readonly<Record<string, string>> = {}, models = MODELS) {
  const exchange = anExchange(undefined, {
    models: () => models,
    ruleOf: path => {
      const model = path === '/v1/models' ? undefined : path.slice('/v1/models/'.length);
      return { treatment: 'models', model, errors: 'openai' };
    },
  });
  const [action] = happen(
    exchange,
    requestHeaders({ headers: { ':method': 'GET', ':path': path, ...headers }, endOfStream: true }),
  );
  assert(action?.kind === 'send');
  const sent = action.reply.immediate_response;
  assert.isDefined(sent, told(action));
  return {
    status: sent!.status!.code,
    type: headersSet(sent!.headers).get('content-type'),
    body: JSON.parse(sent!.body!.toString()),
    facts: exchange.takeFacts(),
    later: happen(exchange, responseHeaders()),
  };
}

describe('The list of models', () => {
  it('has all models, as vLLM writes its own', () => {
    const { status, type, body, facts, later } = asked('/v1/models');
    assert.equal(status, 200);
    assert.equal(type, 'application/json');
    assert.deepEqual(body, {
      object: 'list',
      data: [
        { id: 'meta/llama', object: 'model', created: 0, owned_by: 'warmroute', root: 'meta/llama' },
        { id: 'sql', object: 'model', created: 0, owned_by: 'warmroute', root: 'meta/llama' },
      ],
    });
    assert.deepEqual(facts, [{ kind: 'answered', what: 'models' }]);
    assert.isEmpty(later);
  });

  it('is in Anthropic’s shape for its clients', () => {
    const model = (id: string) => {
      return { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' };
    };
    assert.deepEqual(asked('/v1/models', ANTHROPIC).body, {
      data: [model('meta/llama'), model('sql')],
      has_more: false,
      first_id: 'meta/llama',
      last_id: 'sql',
    });
    assert.deepEqual(asked('/v1/models/sql', ANTHROPIC).body, model('sql'));
  });

  it('may be empty', () => {
    assert.deepEqual(asked('/v1/models', {}, []).body, { object: 'list', data: [] });
    assert.deepInclude(asked('/v1/models', ANTHROPIC, []).body, { first_id: null, last_id: null });
  });

  it('has each model by itself', () => {
    assert.deepEqual(asked('/v1/models/meta/llama').body, {
      ...{ id: 'meta/llama', object: 'model', created: 0, owned_by: 'warmroute', root: 'meta/llama' },
    });
  });

  it('answers 404 to others, in the shape of the client', () => {
    const { status, body, facts } = asked('/v1/models/other');
    const message = 'The model `other` does not exist. Valid aliases: meta/llama, sql.';
    assert.equal(status, 404);
    assert.deepEqual(body, {
      error: { message, type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
    });
    assert.deepEqual(facts, [
      { kind: 'rejected', error: { kind: 'unknown_model', model: 'other' }, steering: 'steered' },
    ]);
    assert.deepEqual(asked('/v1/models/other', ANTHROPIC).body, {
      type: 'error',
      error: { type: 'not_found_error', message },
    });
  });

  it('is not ours to answer with other methods', () => {
    for (const method of ['HEAD', 'POST', 'DELETE']) {
      const exchange = anExchange(undefined, {
        ruleOf: () => ({ treatment: 'models', model: undefined, errors: 'openai' }),
      });
      const [action] = happen(
        exchange,
        requestHeaders({ headers: { ':method': method, ':path': '/v1/models' }, endOfStream: true }),
      );
      assert.include(told(action!), 'request_headers override NONE');
    }
  });

  it('is answered to an endpoint picker’s gateway, too', () => {
    const config: ProtocolConfig = { request_body_mode: 'FULL_DUPLEX_STREAMED' };
    const exchange = anExchange(config, {
      models: () => MODELS,
      ruleOf: () => ({ treatment: 'models', model: undefined, errors: 'openai' }),
    });
    const get = { ':method': 'GET', ':path': '/v1/models' };
    const [action] = happen(exchange, requestHeaders({ headers: get, endOfStream: true, config }));
    assert.equal(told(action!), 'immediate 200');
  });
});
