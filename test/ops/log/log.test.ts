import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { assert } from 'chai';
import { createLogger, type LogFields, type LogLevel } from '../../../src/ops/log/log.ts';

function recordingLogger(level: LogLevel = 'debug') {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { log: createLogger({ level, destination }), lines };
}

/** The fields of one line, without what every line has. */
function logged(fields: LogFields): Record<string, unknown> {
  const { log, lines } = recordingLogger();
  log.info(fields, 'x');
  const { level: _level, time: _time, msg: _msg, ...rest } = lines[0] ?? assert.fail('nothing written');
  return rest;
}

describe('createLogger', () => {
  it('writes a line of JSON with the level as text and the time in ISO 8601', () => {
    const { log, lines } = recordingLogger();
    log.warn({ pod: 'a', depth: 3 }, 'fell behind');
    assert.hasAllKeys(lines[0], ['level', 'time', 'pod', 'depth', 'msg']);
    assert.deepInclude(lines[0], { level: 'warn', pod: 'a', depth: 3, msg: 'fell behind' });
    assert.equal(new Date(String(lines[0]?.time)).toISOString(), lines[0]?.time);
  });

  it('leaves out what is less severe than the level', () => {
    const { log, lines } = recordingLogger('warn');
    log.debug(() => assert.fail('made for nobody'), 'd');
    log.info({}, 'i');
    log.warn({}, 'w');
    log.error({}, 'e');
    assert.deepEqual(
      lines.map(line => line.msg),
      ['w', 'e'],
    );
  });

  it('adds the fields of a child to each of its lines, redacted too', () => {
    const { log, lines } = recordingLogger();
    log.child({ part: 'events', apiKey: 'sk-1' }).child({ pod: 'a' }).info({ seq: 4 }, 'x');
    assert.deepInclude(lines[0], { part: 'events', pod: 'a', seq: 4, apiKey: '[redacted]' });
  });

  for (const key of [
    'authorization',
    'Authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'apiKey',
    'API_KEY',
    'prompt',
    'messages',
    'body',
    'requestBody',
    'cache_salt',
  ]) {
    it(`redacts ${key}, however deep`, () => {
      const fields = { [key]: 'hunter2', request: { headers: [{ [key]: ['hunter2'] }] }, kept: 'yes' };
      const text = JSON.stringify(logged(fields));
      assert.notInclude(text, 'hunter2');
      assert.include(text, '"kept":"yes"');
    });
  }

  it('does not change what it is given', () => {
    const fields = { headers: { cookie: 'c' } };
    logged(fields);
    assert.deepEqual(fields, { headers: { cookie: 'c' } });
  });

  it('keeps names that only contain a secret one, and leaves out what is undefined', () => {
    assert.deepEqual(logged({ promptBlocks: 3, bodyBytes: 9, body: undefined }), {
      promptBlocks: 3,
      bodyBytes: 9,
    });
  });

  it('writes of an error what every error has, never what a library attached', () => {
    const cause = Object.assign(new TypeError('refused'), { code: 'ECONNREFUSED', response: 'hunter2' });
    const error = Object.assign(new Error('cannot tokenize', { cause }), { request: { data: 'hunter2' } });
    const { error: written } = logged({ error }) as { error: Record<string, unknown> };
    assert.hasAllKeys(written, ['type', 'message', 'stack', 'cause']);
    assert.deepInclude(written, { type: 'Error', message: 'cannot tokenize', stack: error.stack });
    assert.deepInclude(written.cause, { type: 'TypeError', message: 'refused', code: 'ECONNREFUSED' });
    assert.notInclude(JSON.stringify(written), 'hunter2');
  });

  it('writes the errors of an aggregate', () => {
    const { error } = logged({ error: new AggregateError([new Error('one'), 'two'], 'both') });
    const { errors } = error as { errors: [{ message: string }, string] };
    assert.deepEqual([errors[0].message, errors[1]], ['one', 'two']);
  });

  it('writes what JSON has no form for', () => {
    assert.deepEqual(
      logged({
        hash: 2n ** 64n,
        at: new Date(0),
        bytes: new Uint8Array(3),
        map: new Map([['cookie', 'c']]),
        set: new Set([1n]),
        nothing: null,
      }),
      {
        hash: '18446744073709551616',
        at: '1970-01-01T00:00:00.000Z',
        bytes: '[3 bytes]',
        map: { cookie: '[redacted]' },
        set: ['1'],
        nothing: null,
      },
    );
  });

  it('bounds cycles, lists and long text', () => {
    const cycle: Record<string, unknown> = {};
    cycle.again = cycle;
    const written = logged({ cycle, list: Array(500).fill(1), long: 'x'.repeat(5000) });
    assert.include(JSON.stringify(written.cycle), '[too deep]');
    assert.lengthOf(written.list as unknown[], 100);
    assert.equal(written.long, `${'x'.repeat(4000)}…`);
  });

  for (const [how, end] of [
    ['process.exit', 'process.exit(0)'],
    ['an uncaught error', 'throw new Error("end")'],
  ] as const) {
    it(`writes everything to standard output before ${how}`, async () => {
      const script = `
        import { createLogger } from ${JSON.stringify(new URL('../../../src/ops/log/log.ts', import.meta.url).href)};
        const log = createLogger({ level: 'info' });
        for (let i = 0; i < 200; i++) log.info({ i }, 'line');
        ${end};`;
      const args = ['--input-type=module', '--eval', script];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      const lines = (await text(child.stdout)).trimEnd().split('\n');
      assert.lengthOf(lines, 200);
      assert.deepInclude(JSON.parse(lines[199] ?? ''), { i: 199, msg: 'line' });
    });
  }
});
