/** Tokenizer files as they are configured: real files, a real hub. */
import { execFileSync } from 'node:child_process';
import { readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import { createTokenizerFiles } from '../../src/composition/tokenizer-files.ts';
import type { Environment } from '../../src/config.ts';
import type { Logger } from '../../src/ops/log/log.ts';
import { realSleep, type Sleep } from '../../src/time.ts';
import type { TokenizerFileSource } from '../../src/tokenizers/files/file-source.ts';
import type { FilesState } from '../../src/tokenizers/files/tokenizer-files.ts';
import { aConfig, aPod } from '../support/builders.ts';
import { type FakeHub, startFakeHub } from '../support/fake-hub.ts';
import { Inbox } from '../support/inbox.ts';
import {
  TEMPLATE,
  TOKENIZER_TEXT,
  type TokenizerFolder,
  tokenizerFolder,
} from '../tokenizers/files/tokenizer-folder.ts';

const MODEL = 'Qwen/Qwen3-8B';
const FOLDER = 'models--Qwen--Qwen3-8B';
const FILES = {
  'tokenizer.json': TOKENIZER_TEXT.padEnd(1_000),
  'tokenizer_config.json': JSON.stringify({ bos_token: '<s>', chat_template: TEMPLATE }),
};
/** Shorter than that of any wait but the one between two looks, which is real. */
const LONG_MS = 900;

interface Line {
  readonly level: 'info' | 'warn';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

describe('Tokenizer files from a model hub', () => {
  let hub: FakeHub;
  let folder: TokenizerFolder;
  let lines: Inbox<Line>;
  let slept: Inbox<number>;
  let source: TokenizerFileSource | undefined;
  /** Whether long waits end. */
  let patience: PromiseWithResolvers<void>;

  beforeEach(async () => {
    hub = await startFakeHub();
    hub.models.set(MODEL, { ...FILES });
    folder = await tokenizerFolder();
    lines = new Inbox();
    slept = new Inbox();
    patience = Promise.withResolvers();
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    await hub.close();
    await folder.remove();
  });

  const log = new Proxy({} as Logger, {
    get: (_, level: Line['level']) => (fields: Line['fields'], message: string) =>
      lines.push({ level, fields, message }),
  });
  const sleep: Sleep = async (ms, signal) => {
    if (ms < LONG_MS) return realSleep(Math.min(ms, 5), signal);
    if (ms === POLL_MS) return realSleep(20, signal);
    // Less what has passed since.
    slept.push(Math.round(ms / 1_000) * 1_000);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // What is to be done in minutes waits for the test.
    await Promise.race([ms < 60_000 ? realSleep(1, signal) : patience.promise, aborted]);
  };
  const POLL_MS = 5_000;

  function open(environment: Environment = {}): TokenizerFileSource {
    const config = aConfig({
      WARMROUTE_TOKENIZER_HUB: 'true',
      HF_ENDPOINT: hub.url,
      HF_HOME: folder.at('home'),
      ...environment,
    });
    source = createTokenizerFiles(config, log, { sleep });
    assert(source !== undefined);
    return source;
  }

  /** What becomes of a model that is served from now on. */
  async function settled(model = MODEL, environment: Environment = {}): Promise<FilesState> {
    const files = source ?? open(environment);
    const told = new Inbox<string>();
    files.onChange(told.push);
    files.retain([aPod({ model })]);
    await told.until(each => each === model && files.of(model).kind !== 'loading');
    return files.of(model);
  }
  async function ready(model = MODEL, environment: Environment = {}) {
    const state = await settled(model, environment);
    assert(state.kind === 'ready', JSON.stringify(state));
    return state.files;
  }
  async function broken(model = MODEL, environment: Environment = {}) {
    const state = await settled(model, environment);
    assert(state.kind === 'broken', JSON.stringify(state));
    return state.problem;
  }
  const cached = (...names: string[]) => folder.at('home', 'hub', FOLDER, ...names);
  async function close(): Promise<void> {
    await source?.close();
    source = undefined;
  }

  it('are downloaded once, all of one commit, into the cache of its clients', async () => {
    const files = await ready();
    assert.equal(files.directory, cached('snapshots', hub.commit));
    assert.deepEqual(files.chat, { kind: 'template', default: TEMPLATE, toolUse: undefined });
    assert.equal(await readFile(cached('refs', 'main'), 'utf8'), hub.commit);
    assert.equal(await readFile(files.tokenizerJson, 'utf8'), FILES['tokenizer.json']);
    assert.sameMembers(await readdir(cached()), ['refs', 'snapshots', '.no_exist']);
    const names = hub.asked.map(({ line }) => line);
    assert.equal(names[0], `HEAD /${MODEL}/resolve/main/tokenizer.json`);
    for (const name of names.slice(1)) assert.include(name, `GET /${MODEL}/resolve/${hub.commit}/`);
    assert.lengthOf(hub.given, 2);
    await close();
    // Another start asks for the commit, and for nothing else.
    hub.asked.length = 0;
    assert.equal((await ready()).fingerprint, files.fingerprint);
    assert.deepEqual(
      hub.asked.map(({ line }) => line),
      [`HEAD /${MODEL}/resolve/main/tokenizer.json`],
    );
    assert.lengthOf(hub.given, 2);
  });

  it('are those of a newer commit when there is one, of which nothing else is kept back', async () => {
    const before = await ready();
    await close();
    hub.commit = 'b'.repeat(40);
    hub.models.set(MODEL, { ...FILES, 'chat_template.jinja': 'newer' });
    const after = await ready();
    assert.equal(after.directory, cached('snapshots', hub.commit));
    assert.deepEqual(after.chat, { kind: 'template', default: 'newer', toolUse: undefined });
    assert.notEqual(after.fingerprint, before.fingerprint);
  });

  it('follow what others put into the cache', async () => {
    await ready();
    const told = new Inbox<string>();
    source!.onChange(told.push);
    const commit = 'c'.repeat(40);
    await folder.writeModel(`home/hub/${FOLDER}/snapshots/${commit}`, { 'chat_template.jinja': 'theirs' });
    await folder.write(`home/hub/${FOLDER}/refs/main`, commit);
    await told.next();
    const state = source!.of(MODEL);
    assert(state.kind === 'ready');
    assert.deepInclude(state.files.chat, { default: 'theirs' });
  });

  it('come from the cache alone where HF_HUB_OFFLINE is on', async () => {
    const offline = { HF_HUB_OFFLINE: '1' };
    assert.deepEqual(await broken(MODEL, offline), {
      kind: 'not_in_cache',
      directory: folder.at('home', 'hub'),
    });
    await close();
    await folder.writeModel(`${FOLDER}/blobs`);
    await folder.write(`${FOLDER}/snapshots/${hub.commit}/README.md`, '');
    for (const name of Object.keys(FILES))
      await symlink(`../../blobs/${name}`, folder.at(FOLDER, 'snapshots', hub.commit, name));
    await folder.write(`${FOLDER}/refs/main`, hub.commit);
    const { directory } = await ready(MODEL, { ...offline, HF_HUB_CACHE: folder.path });
    assert.equal(directory, folder.at(FOLDER, 'snapshots', hub.commit));
    assert.isEmpty(hub.asked);
  });

  it('are downloaded again when the cache is emptied', async () => {
    await ready();
    const told = new Inbox<string>();
    source!.onChange(told.push);
    // At once, so that no download begins in what is still being removed.
    await rename(folder.at('home'), folder.at('aside'));
    await told.until(() => source!.of(MODEL).kind === 'loading');
    await told.until(() => source!.of(MODEL).kind === 'ready');
    assert.lengthOf(hub.given, 4);
  });

  it('are not waited for where the cache has a pipe', async () => {
    await folder.writeModel(`home/hub/${FOLDER}/refs`, { 'tokenizer.json': undefined });
    execFileSync('mkfifo', [cached('refs', 'main')]);
    assert.equal((await ready()).directory, cached('snapshots', hub.commit));
  });

  it('are not led out of the cache by what it says of the commit', async () => {
    await folder.writeModel('secret');
    await folder.write(`home/hub/${FOLDER}/refs/main`, '../../../../secret');
    assert.equal((await broken(MODEL, { HF_HUB_OFFLINE: '1' })).kind, 'not_in_cache');
  });

  it('are for directories to go before', async () => {
    await folder.writeModel(`models/${MODEL}`);
    const environment = { WARMROUTE_TOKENIZER_DIR: folder.at('models') };
    assert.equal((await ready(MODEL, environment)).directory, folder.at('models', MODEL));
    assert.isEmpty(hub.asked);
    hub.models.set('a/b', { ...FILES });
    assert.equal((await ready('a/b')).directory, folder.at('home/hub/models--a--b/snapshots', hub.commit));
    assert.deepEqual(source!.of(MODEL), { kind: 'none' }, 'it is not served any more');
  });

  it('are not looked for where the engines tokenize', () => {
    assert.isUndefined(createTokenizerFiles(aConfig({ WARMROUTE_TOKENIZER: 'engine' }), log));
  });

  describe('with a token', () => {
    beforeEach(() => {
      hub.token = 'hf_hunter2';
    });

    for (const [where, environment] of [
      ['HF_TOKEN', () => ({ HF_TOKEN: 'hf_hunter2' })],
      ['HF_TOKEN_PATH', () => ({ HF_TOKEN_PATH: folder.at('secret', 'token') })],
      ['the token in HF_HOME', () => ({})],
    ] as const) {
      it(`of ${where} are given to the hub alone`, async () => {
        await folder.write('secret/token', 'hf_hunter2\n');
        if (where.startsWith('the')) await folder.write('home/token', 'hf_hunter2');
        await ready(MODEL, environment());
        for (const { authorization } of hub.asked) assert.equal(authorization, 'Bearer hf_hunter2');
        assert.isNotEmpty(hub.given);
        for (const { authorization } of hub.given) assert.isUndefined(authorization);
        assert.notInclude(JSON.stringify(lines.all), 'hunter2');
      });
    }

    it('that is missing or wrong is asked for', async () => {
      assert.deepEqual(await broken(), { kind: 'hub_refuses', host: hub.host, hadToken: false });
      assert.match(lines.all[0]!.message, /asks for a token: set HF_TOKEN_PATH/);
      await close();
      const wrong = { kind: 'hub_refuses', host: hub.host, hadToken: true } as const;
      assert.deepEqual(await broken(MODEL, { HF_TOKEN: 'hf_wrong' }), wrong);
      assert.notInclude(JSON.stringify(lines.all), 'hf_wrong');
    });

    it('is asked for once in ten minutes, and taken when it is there', async () => {
      await broken();
      assert.equal(await slept.next(), 600_000);
      await folder.write('home/token', 'hf_hunter2');
      const told = new Inbox<string>();
      source!.onChange(told.push);
      patience.resolve();
      await told.until(() => source!.of(MODEL).kind === 'ready');
      assert.deepEqual(
        lines.all.map(({ level }) => level),
        ['warn', 'info'],
      );
    });

    it('is not in a file with anything else', async () => {
      const path = folder.at('token');
      await writeFile(path, 'hf_hunter2\nx-header: 1\n');
      assert.deepInclude(await broken(MODEL, { HF_TOKEN_PATH: path }), { kind: 'no_token_file', path });
      assert.isEmpty(hub.asked);
      await close();
      await rm(path);
      assert.deepInclude(await broken(MODEL, { HF_TOKEN_PATH: path }), { kind: 'no_token_file', path });
      assert.notInclude(JSON.stringify(lines.all), 'hunter2');
    });
  });

  describe('of which the hub has none', () => {
    it('are not asked for again within an hour, even if the model comes and goes', async () => {
      assert.deepEqual(await broken('my/alias'), { kind: 'not_on_hub', host: hub.host, hadToken: false });
      assert.deepEqual(
        hub.asked.map(({ line }) => line),
        ['HEAD /my/alias/resolve/main/tokenizer.json'],
      );
      assert.equal(await slept.next(), 3_600_000);
      source!.retain([]);
      await broken('my/alias');
      assert.lengthOf(hub.asked, 1);
      assert.isAtMost(await slept.next(), 3_600_000);
    });

    for (const name of [
      ...[
        'my model?x',
        'alias',
        'a/b/c',
        '../x',
        'a/..',
        'a/b#c',
        'a/b%2e',
        'a/b--c',
        '-a/b',
        'a/b.',
        'a/.b',
      ],
      ...['a/b.git', 'a\\b', 'a/b\n', `a/${'b'.repeat(97)}`, 'ä/b', '//host/x', 'http://host/x', ''],
    ]) {
      it(`are not asked for by a name that is none of its own: ${JSON.stringify(name)}`, async () => {
        assert.deepEqual(await broken(name), { kind: 'no_hub_name' });
        assert.isEmpty(hub.asked);
        assert.isEmpty((await readdir(folder.path)).filter(each => each !== 'home'));
      });
    }

    it('are said to have no tokenizer that can be read', async () => {
      hub.models.set(MODEL, { 'tokenizer.model': '' });
      assert.deepEqual(await broken(), { kind: 'not_at_hub', host: hub.host, file: 'tokenizer.json' });
      assert.match(lines.all[0]!.message, /has no tokenizer\.json of it/);
      assert.lengthOf(hub.asked, 1);
    });
  });

  it('are asked for again when the hub is busy, and later when it stays so', async () => {
    let busy = 3;
    hub.answer = (_, response) => {
      if (busy-- <= 0) return false;
      response.writeHead(busy === 1 ? 503 : 429, { 'retry-after': '7' }).end();
      return true;
    };
    await ready();
    assert.isAtLeast(Math.max(...slept.all), 7_000);
    assert.lengthOf(slept.all, 3);
    await close();
    busy = Number.POSITIVE_INFINITY;
    await rm(folder.at('home'), { recursive: true });
    const asked = hub.asked.length;
    const problem = await broken();
    assert.deepEqual(problem, { kind: 'hub_unavailable', host: hub.host, reason: 'it answers 429' });
    assert.equal(hub.asked.length - asked, 5);
    await slept.until(ms => ms === 600_000);
  });

  it('of the last download are used while the hub does not answer, which is said once', async () => {
    const { fingerprint } = await ready();
    await close();
    hub.answer = (request, _) => {
      request.socket.destroy();
      return true;
    };
    assert.equal((await ready()).fingerprint, fingerprint);
    const said = lines.all.filter(({ message }) => message.includes('those of the last download'));
    assert.lengthOf(said, 1);
    assert.include(said[0]!.message, 'does not give its files (');
  });

  describe('of a server that is not what it seems', () => {
    const problemFor = async (answer: FakeHub['answer'], give: FakeHub['give'] = () => false) => {
      Object.assign(hub, { answer, give });
      const problem = await broken();
      // Nothing is left half: no file, and nothing that counts as one.
      const snapshot = await readdir(cached('snapshots', hub.commit)).catch(() => []);
      assert.isEmpty(snapshot);
      const rest = await readdir(cached()).catch(() => []);
      assert.isEmpty(rest.filter(name => name.startsWith('.warmroute')));
      return problem;
    };

    it('names no commit', async () => {
      const problem = await problemFor((_, response) => {
        response.end('<html>');
        return true;
      });
      assert.match(JSON.stringify(problem), /names no commit/);
    });

    it('names a commit that is a path', async () => {
      hub.commit = '../../../x';
      assert.match(JSON.stringify(await problemFor(() => false)), /names no commit/);
    });

    it('redirects for ever', async () => {
      const problem = await problemFor((request, response) => {
        response.writeHead(302, { location: request.url! }).end();
        return true;
      });
      assert.match(JSON.stringify(problem), /more than 5 redirects/);
    });

    for (const location of ['file:///etc/passwd', 'ftp://127.0.0.1/x']) {
      it(`redirects to ${location}`, async () => {
        const problem = await problemFor(({ method }, response) => {
          if (method === 'HEAD') return false;
          response.writeHead(302, { location }).end();
          return true;
        });
        assert.match(JSON.stringify(problem), /which is not https/);
      });
    }

    it('gives more than a file may have, whatever it says', async () => {
      const problem = await problemFor(
        () => false,
        (_, response) => {
          const part = Buffer.alloc(1 << 20);
          let parts = 0;
          const more = (): void => {
            if (response.destroyed || parts++ > 66) response.end();
            else response.write(part, more);
          };
          more();
          return true;
        },
      );
      assert.deepInclude(problem, { kind: 'hub_file_too_long', maxBytes: 64 << 20 });
    });

    it('gives something else than the hub said, or less', async () => {
      const problem = await problemFor(
        () => false,
        (_, response) => {
          response.end('{}');
          return true;
        },
      );
      assert.match(JSON.stringify(problem), /not what the hub says/);
      await close();
      const cut = await problemFor(
        () => false,
        (_, response) => {
          response.writeHead(200, { 'content-length': '1000' });
          response.write('{', () => response.destroy());
          return true;
        },
      );
      assert.equal(cut.kind, 'hub_unavailable');
    });
  });

  it('are said not to fit where nothing can be written', async () => {
    await folder.write('file', '');
    const problem = await broken(MODEL, { HF_HUB_CACHE: folder.at('file', 'hub') });
    assert.deepInclude(problem, { kind: 'cache_not_writable', directory: folder.at('file', 'hub') });
    assert.match(lines.all[0]!.message, /cannot be written: .*; mount a volume there, or set HF_HOME/);
  });

  it('of Mistral’s own tokenizer are noticed', async () => {
    const config = JSON.stringify({ model_type: 'mistral3' });
    hub.models.set(MODEL, { ...FILES, 'config.json': config, 'tekken.json': '{}' });
    assert.deepEqual((await ready()).chat, { kind: 'own_code', renderer: 'mistral' });
    assert.match(lines.all.at(-1)!.message, /by Mistral’s own tokenizer/);
  });

  it('that a process left half downloaded are removed after an hour', async () => {
    await folder.write(`home/hub/${FOLDER}/.warmroute-old`, 'half');
    await folder.write(`home/hub/${FOLDER}/.warmroute-new`, 'half');
    await utimes(cached('.warmroute-old'), 0, 0);
    await ready();
    assert.include(await readdir(cached()), '.warmroute-new');
    assert.notInclude(await readdir(cached()), '.warmroute-old');
  });

  it('stop coming when the model goes, or the router', async () => {
    const asked = Promise.withResolvers<void>();
    hub.answer = () => {
      asked.resolve();
      return true;
    };
    const files = open();
    files.retain([aPod({ model: MODEL })]);
    await asked.promise;
    files.retain([]);
    await close();
    assert.isEmpty(lines.all);
  });
});
