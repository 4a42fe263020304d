import { once } from 'node:events';
import { mock } from 'node:test';
import { assert } from 'chai';
import { createEngineHttp, type EngineHttp } from '../../../src/prompt/engine/http.ts';
import { idle, UVICORN_KEEP_ALIVE_MS, Uvicorn } from '../../support/uvicorn.ts';

describe('HTTP to an engine', () => {
  let engine: Uvicorn;
  let http: EngineHttp;

  beforeEach(async () => {
    engine = await Uvicorn.start();
    mock.timers.enable({ apis: ['setTimeout'] });
    http = createEngineHttp({ maxConnectionsPerPod: 1, maxResponseBytes: 1_000 });
  });
  afterEach(async () => {
    mock.timers.reset();
    await http.close();
    await engine.stop();
  });

  const ask = () =>
    http.postJson(`http://127.0.0.1:${engine.port}/tokenize`, '{}', new AbortController().signal);

  it('uses a connection again, and ends it before the engine does', async () => {
    await ask();
    const connection = await engine.connections.next();
    const ended = once(connection, 'close');
    await idle(UVICORN_KEEP_ALIVE_MS / 2);
    await ask();
    assert.lengthOf(engine.connections.all, 1);
    await idle(UVICORN_KEEP_ALIVE_MS - 100);
    await ended;
  });
});
