import Anthropic from '@anthropic-ai/sdk';
import { assert } from 'chai';
import OpenAI from 'openai';
import { eventually } from '../support/eventually.ts';
import { envoyReady, MODEL } from '../support/fleet.ts';
import {
  ANTHROPIC_KEY,
  OPENAI_KEY,
  SDK_SETTINGS,
  type SdkClients,
  startSdkClients,
} from '../support/sdk-clients.ts';

const OLD_KEY = 'sk-ant-of-an-older-client';
const LIMIT_BYTES = 100_000;
const MESSAGES = [{ role: 'user' as const, content: 'Where is the atlas?' }];
const TOO_LARGE = [{ role: 'user' as const, content: 'lorem ipsum '.repeat(LIMIT_BYTES / 10) }];

for (const setting of SDK_SETTINGS) {
  // As an endpoint picker the router leaves it to the engines to know their models.
  const byEngine = setting.file === 'endpoint-picker.yaml';

  describe(`What official clients rely on (${setting.file}, render ${setting.render})`, function () {
    this.timeout(20_000);
    let clients: SdkClients;

    before(async function () {
      await envoyReady.call(this);
      clients = await startSdkClients(setting, { WARMROUTE_MAX_BODY_BYTES: String(LIMIT_BYTES) });
    });
    after(() => clients?.stop());

    it('an unknown model is their NotFoundError, and names the models that there are', async () => {
      const { openai, anthropic } = clients;
      const message = `The model \`other\` does not exist. Valid aliases: ${MODEL}.`;
      for (const asked of [
        () => openai.chat.completions.create({ model: 'other', messages: MESSAGES }),
        () => openai.chat.completions.create({ model: 'other', messages: MESSAGES, stream: true }),
        () => openai.responses.create({ model: 'other', input: 'x' }),
        () => openai.completions.create({ model: 'other', prompt: 'x' }),
        () => openai.embeddings.create({ model: 'other', input: 'x' }),
      ]) {
        const error = await failure(asked, OpenAI.NotFoundError);
        assert.equal(error.message, `404 ${message}`);
        assert.equal(error.param, 'model');
        const own = byEngine
          ? { type: 'NotFoundError', code: 404 }
          : { type: 'invalid_request_error', code: 'model_not_found' };
        assert.deepInclude(error.error as object, own);
      }
      for (const asked of [
        () => anthropic.messages.create({ model: 'other', max_tokens: 5, messages: MESSAGES }),
        () => anthropic.messages.create({ model: 'other', max_tokens: 5, messages: MESSAGES, stream: true }),
        () => anthropic.messages.countTokens({ model: 'other', messages: MESSAGES }),
      ]) {
        const error = await failure(asked, Anthropic.NotFoundError);
        const type = byEngine ? 'NotFoundError' : 'not_found_error';
        assert.deepEqual(error.error, { type: 'error', error: { type, message } });
      }
    });

    it('a body that is too large is an error with the status 413 and a reason', async () => {
      const { openai, anthropic } = clients;
      const message = `the request body is larger than ${LIMIT_BYTES} bytes`;
      const chat = () => openai.chat.completions.create({ model: MODEL, messages: TOO_LARGE });
      const error = await failure(chat, OpenAI.APIError);
      assert.deepInclude(error as object, {
        status: 413,
        type: 'invalid_request_error',
        message: `413 ${message}`,
      });
      const tooLarge = await failure(
        () => anthropic.messages.create({ model: MODEL, max_tokens: 5, messages: TOO_LARGE }),
        Anthropic.ContentTooLargeError,
      );
      assert.deepEqual(tooLarge.error, { type: 'error', error: { type: 'request_too_large', message } });
    });

    it('their keys and headers reach the engine as they are, and no log', async () => {
      const { openai, anthropic, fleet, told } = clients;
      const headersAt = () => fleet.engines.find(({ name }) => name === told().pod)?.requests.at(-1)?.headers;
      await openai.chat.completions.create({ model: MODEL, messages: MESSAGES });
      const ofOpenai = headersAt();
      assert.equal(ofOpenai?.authorization, `Bearer ${OPENAI_KEY}`);
      assert.equal(ofOpenai?.['x-stainless-lang'], 'js');
      const asked = { model: MODEL, max_tokens: 5, messages: MESSAGES };
      // As older releases sent their key.
      await anthropic.messages.create(asked, { headers: { 'x-api-key': OLD_KEY } });
      const ofAnthropic = headersAt();
      assert.equal(ofAnthropic?.authorization, `Bearer ${ANTHROPIC_KEY}`);
      assert.equal(ofAnthropic?.['x-api-key'], OLD_KEY);
      assert.match(String(ofAnthropic?.['anthropic-version']), /^20\d\d-/);

      // Passed on, to an engine that has no such path: the last entry of Envoy's log.
      await failure(() => openai.files.list(), OpenAI.NotFoundError);
      await fleet.envoy.accessLogged(({ path }) => path === '/v1/files');
      const logs = [fleet.program.logLines, fleet.envoy.accessLog(), fleet.envoy.output()];
      assert.include(JSON.stringify(logs), '/v1/messages');
      for (const key of [OPENAI_KEY, ANTHROPIC_KEY, OLD_KEY]) assert.notInclude(JSON.stringify(logs), key);
    });

    describe('a stream that its reader leaves', () => {
      // Nobody's idea of an answer, but one that is not over before it is left.
      const endless = { model: MODEL, max_tokens: 20_000, messages: MESSAGES, ignore_eos: true };

      const left = async () => {
        const { fleet } = clients;
        await eventually('nothing is in flight', async () => (await fleet.inFlight()) === 0);
        await eventually('the engine has stopped, too', () =>
          fleet.engines.every(({ cache }) => cache.usedBlocks === 0),
        );
      };
      const underWay = async () => {
        assert.equal(await clients.fleet.inFlight(), 1);
        assert.lengthOf(
          clients.fleet.engines.filter(({ cache }) => cache.usedBlocks > 0),
          1,
        );
      };

      it('ends at the engine (openai)', async () => {
        const chunks = await clients.openai.chat.completions.create({ ...endless, stream: true });
        for await (const chunk of chunks) {
          if (!chunk.choices[0]?.delta.content) continue;
          await underWay();
          break;
        }
        await left();
      });

      it('ends at the engine (openai, responses)', async () => {
        const { model, ignore_eos } = endless;
        const events = clients.openai.responses.stream({ ...{ model, ignore_eos }, input: 'x' });
        for await (const { type } of events) {
          if (type !== 'response.output_text.delta') continue;
          await underWay();
          events.abort();
          break;
        }
        await left();
      });

      it('ends at the engine (anthropic)', async () => {
        const stream = clients.anthropic.messages.stream(endless);
        for await (const { type } of stream) {
          if (type !== 'content_block_delta') continue;
          await underWay();
          break;
        }
        await left();
      });
    });
  });
}

/** The error of a class of the client's. */
async function failure<E extends Error>(
  ask: () => PromiseLike<unknown>,
  kind: new (...given: never[]) => E,
): Promise<E> {
  try {
    await ask();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error('it succeeded');
}
