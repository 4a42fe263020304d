import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Pod } from '../../../src/domain.ts';
import { realSleep, type Sleep } from '../../../src/time.ts';
import {
  createFileSource,
  type Downloads,
  type FileSourceOptions,
  type FilesFact,
  type TokenizerFileSource,
} from '../../../src/tokenizers/files/file-source.ts';
import { describeFilesProblem } from '../../../src/tokenizers/files/problem.ts';
import type { FilesProblem, TokenizerFiles } from '../../../src/tokenizers/files/tokenizer-files.ts';
import { aPod } from '../../support/builders.ts';
import { Inbox } from '../../support/inbox.ts';
import { TEMPLATE, type TokenizerFolder, tokenizerFolder } from './tokenizer-folder.ts';

const MODEL = 'Qwen/Qwen3-8B';
const SETTLE_MS = 3;

describe('Tokenizer files in directories', () => {
  let folder: TokenizerFolder;
  let facts: Inbox<FilesFact>;
  let source: TokenizerFileSource | undefined;

  beforeEach(async () => {
    folder = await tokenizerFolder();
    facts = new Inbox();
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    await new Promise(setImmediate);
    assert.notInclude(process.getActiveResourcesInfo(), 'FSEventWrap');
    await folder.remove();
  });

  function open(options: Partial<FileSourceOptions> = {}): TokenizerFileSource {
    source = createFileSource({
      ...{ directory: folder.path, downloads: undefined, pollEveryMs: 10, settleMs: 2 },
      onFact: fact => facts.push(fact),
      ...options,
    });
    return source;
  }

  const aPodOf = (model: string, more: Partial<Pod> = {}) => aPod({ name: `of ${model}`, model, ...more });
  const serve = (...pods: Pod[]) => (source ?? open()).retain(pods);

  async function ready(model = MODEL): Promise<TokenizerFiles> {
    const fact = await facts.until(each => each.model === model && each.kind === 'ready');
    assert(fact.kind === 'ready');
    assert.deepEqual(source!.of(model), fact.state);
    return fact.state.files;
  }
  async function broken(model = MODEL): Promise<FilesProblem> {
    const fact = await facts.until(each => each.model === model && each.kind === 'broken');
    assert(fact.kind === 'broken');
    assert.deepEqual(source!.of(model), fact.state);
    return fact.state.problem;
  }

  it('are found by the name of the model', async () => {
    await folder.writeModel(MODEL);
    serve(aPodOf(MODEL));
    assert.deepEqual(source!.of(MODEL), { kind: 'loading' });
    const files = await ready();
    const { fingerprint, ...rest } = files;
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      model: MODEL,
      directory: folder.at(MODEL),
      tokenizerJson: folder.at(MODEL, 'tokenizer.json'),
      tokenizerConfig: JSON.stringify({ bos_token: '<s>', chat_template: TEMPLATE }),
      modelConfig: undefined,
      chat: { kind: 'template', default: TEMPLATE, toolUse: undefined },
      specialTokens: { bos_token: '<s>' },
    });
  });

  it('are none of a model that is not served, or that nobody knows a place for', async () => {
    open({ directory: undefined });
    serve(aPodOf(MODEL));
    assert.deepEqual(source!.of(MODEL), { kind: 'none' });
    assert.deepEqual(source!.of('other'), { kind: 'none' });
    assert.isEmpty(facts.all);
  });

  it('are where a pod of the model says, and of all its pods', async () => {
    await folder.writeModel('elsewhere');
    await folder.writeModel('named/so');
    const directory = { kind: 'directory', path: folder.at('elsewhere') } as const;
    open().retain([
      aPodOf('a', { name: '1' }),
      aPodOf('a', { name: '2', tokenizer: directory }),
      aPodOf('a', { name: '3', tokenizer: { ...directory } }),
      aPodOf('b', { tokenizer: { kind: 'name', name: 'named/so' } }),
    ]);
    const directories = new Map<string, string>();
    while (directories.size < 2) {
      const { model, state } = await facts.next();
      assert(state.kind === 'ready');
      directories.set(model, state.files.directory);
    }
    assert.deepEqual(Object.fromEntries(directories), {
      a: folder.at('elsewhere'),
      b: folder.at('named/so'),
    });
  });

  it('are not used where two pods of a model name different ones, and said so once', async () => {
    await folder.writeModel('one');
    await folder.writeModel('two');
    const named = (name: string) => ({ kind: 'name', name }) as const;
    const pods = [
      aPodOf(MODEL, { name: 'x', tokenizer: named('one') }),
      aPodOf(MODEL, { name: 'y', tokenizer: named('two') }),
    ];
    serve(...pods);
    assert.deepEqual(await broken(), { kind: 'places_differ', pods: ['x', 'y'] });
    serve(...pods, aPodOf('unrelated'));
    serve(pods[0]!);
    assert.equal((await ready()).directory, folder.at('one'));
    assert.lengthOf(
      facts.all.filter(({ model, kind }) => model === MODEL && kind === 'broken'),
      1,
    );
  });

  it('need the directory below which a pod names one', async () => {
    open({ directory: undefined });
    serve(aPodOf(MODEL, { name: 'x', tokenizer: { kind: 'name', name: 'one' } }));
    assert.deepEqual(await broken(), { kind: 'no_root', pod: 'x', name: 'one' });
  });

  describe('that change', () => {
    beforeEach(async () => {
      await folder.writeModel(MODEL);
      serve(aPodOf(MODEL));
    });

    it('are read again, whichever it is', async () => {
      const first = await ready();
      await folder.write(`${MODEL}/chat_template.jinja`, 'new\r\nlines\r');
      const second = await ready();
      assert.deepEqual(second.chat, { kind: 'template', default: 'new\nlines\n', toolUse: undefined });
      await folder.write(`${MODEL}/tokenizer.json`, '{"model":{}}');
      const third = await ready();
      await writeFile(folder.at(MODEL, 'tokenizer.json'), '{"model":[]}');
      const fourth = await ready();
      assert.lengthOf(new Set([first, second, third, fourth].map(({ fingerprint }) => fingerprint)), 4);
    });

    it('to the same content change nothing', async () => {
      const first = await ready();
      await folder.writeModel(MODEL);
      await folder.write(`${MODEL}/README.md`, 'unrelated');
      await folder.write(`${MODEL}/chat_template.jinja`, TEMPLATE);
      const second = await ready();
      assert.deepEqual(second.chat, first.chat);
      assert.lengthOf(facts.all, 2);
    });

    it('are said to be gone, and to be there again, once each', async () => {
      await ready();
      await rename(folder.at(MODEL), folder.at('aside'));
      assert.deepEqual(await broken(), { kind: 'no_directory', directory: folder.at(MODEL) });
      await rename(folder.at('aside'), folder.at(MODEL));
      await ready();
      await rm(folder.at(MODEL, 'tokenizer.json'));
      assert.deepEqual(await broken(), {
        ...{ kind: 'missing_file', directory: folder.at(MODEL), file: 'tokenizer.json' },
      });
      assert.lengthOf(facts.all, 4);
    });

    it('tell listeners until they leave', async () => {
      await ready();
      const told = new Inbox<string>();
      const stop = source!.onChange(told.push);
      await folder.write(`${MODEL}/chat_template.jinja`, 'another');
      assert.equal(await told.next(), MODEL);
      stop();
      await folder.write(`${MODEL}/chat_template.jinja`, 'once more');
      await ready();
      await ready();
      assert.lengthOf(told.all, 1);
    });

    it('are not followed when the model is not served any more', async () => {
      await ready();
      source!.retain([]);
      assert.deepEqual(source!.of(MODEL), { kind: 'none' });
      await folder.write(`${MODEL}/chat_template.jinja`, 'another');
      await folder.writeModel('other');
      serve(aPodOf('other'));
      await ready('other');
      assert.lengthOf(facts.all, 2);
    });
  });

  it('are not taken half written', async () => {
    await folder.writeModel(MODEL);
    const path = folder.at(MODEL, 'chat_template.jinja');
    let length = 0;
    // A writer who has written more whenever it is looked again.
    const sleep: Sleep = async (ms, signal) => {
      await realSleep(ms, signal);
      if (ms === SETTLE_MS && length < 5) await writeFile(path, 'x'.repeat(++length));
    };
    open({ sleep, settleMs: SETTLE_MS });
    serve(aPodOf(MODEL));
    const { chat } = await ready();
    assert.deepInclude(chat, { default: 'xxxxx' });
    assert.lengthOf(facts.all, 1);
  });

  it('of a volume of Kubernetes change with its links', async () => {
    const mount = `${MODEL}`;
    await folder.writeModel(`${mount}/..1`);
    await symlink('..1', folder.at(mount, '..data'));
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      await symlink(`..data/${name}`, folder.at(mount, name));
    serve(aPodOf(MODEL));
    const first = await ready();
    assert.equal(first.tokenizerJson, folder.at(mount, '..1', 'tokenizer.json'));
    await folder.writeModel(`${mount}/..2`, { 'tokenizer.json': '{}' });
    await symlink('..2', folder.at(mount, '..data_tmp'));
    await rename(folder.at(mount, '..data_tmp'), folder.at(mount, '..data'));
    await rm(folder.at(mount, '..1'), { recursive: true });
    const second = await ready();
    assert.equal(second.tokenizerJson, folder.at(mount, '..2', 'tokenizer.json'));
    assert.lengthOf(
      facts.all.filter(({ kind }) => kind === 'broken'),
      0,
    );
  });

  it('of a cache of the hub’s clients are links to blobs', async () => {
    await folder.writeModel('cache/models--a--b/blobs');
    await mkdir(folder.at('cache/models--a--b/snapshots/c0ffee'), { recursive: true });
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      await symlink(`../../blobs/${name}`, folder.at('cache/models--a--b/snapshots/c0ffee', name));
    const path = folder.at('cache/models--a--b/snapshots/c0ffee');
    serve(aPodOf(MODEL, { tokenizer: { kind: 'directory', path } }));
    assert.equal((await ready()).tokenizerJson, folder.at('cache/models--a--b/blobs/tokenizer.json'));
  });

  describe('that are hostile', () => {
    for (const name of ['../etc', '/etc', '..', '.', '', 'a/../..', 'a\0b', 'a//b']) {
      it(`are not looked for by the name ${JSON.stringify(name)}`, async () => {
        serve(aPodOf(name));
        assert.deepEqual(await broken(name), { kind: 'no_directory_name', root: folder.path });
      });
    }

    it('do not lead out of the directory, by themselves or by their own', async () => {
      const outside = await tokenizerFolder();
      try {
        await outside.writeModel('secret');
        await symlink(outside.at('secret'), folder.at('whole'));
        await folder.writeModel('part', { 'tokenizer_config.json': undefined });
        await symlink(
          outside.at('secret', 'tokenizer_config.json'),
          folder.at('part', 'tokenizer_config.json'),
        );
        await folder.writeModel('templates');
        await symlink(outside.at('secret'), folder.at('templates', 'additional_chat_templates'));
        serve(aPodOf('whole'), aPodOf('part'), aPodOf('templates'));
        const kinds = new Map<string, FilesProblem>();
        while (kinds.size < 3) {
          const fact = await facts.next();
          if (fact.kind === 'broken') kinds.set(fact.model, fact.state.problem);
        }
        assert.deepEqual(
          [...kinds.values()].map(({ kind }) => kind),
          ['leads_out', 'leads_out', 'leads_out'],
        );
      } finally {
        await outside.remove();
      }
    });

    it('keep nobody waiting: pipes and directories are no files', async () => {
      await folder.writeModel('pipe', { 'tokenizer_config.json': undefined });
      execFileSync('mkfifo', [folder.at('pipe', 'tokenizer_config.json')]);
      await mkdir(folder.at('folder', 'tokenizer.json'), { recursive: true });
      serve(aPodOf('pipe'));
      assert.deepEqual(await broken('pipe'), {
        ...{ kind: 'not_regular', path: folder.at('pipe', 'tokenizer_config.json') },
      });
      serve(aPodOf('folder'));
      assert.equal((await broken('folder')).kind, 'not_regular');
    });

    it('are not read beyond their bounds', async () => {
      await folder.writeModel(MODEL);
      await truncate(folder.at(MODEL, 'tokenizer.json'), (64 << 20) + 1);
      serve(aPodOf(MODEL));
      assert.deepEqual(await broken(), {
        ...{ kind: 'too_long', path: folder.at(MODEL, 'tokenizer.json'), maxBytes: 64 << 20 },
      });
      await folder.writeModel(MODEL);
      await ready();
      await truncate(folder.at(MODEL, 'tokenizer_config.json'), (4 << 20) + 1);
      assert.deepInclude(await broken(), { kind: 'too_long', maxBytes: 4 << 20 });
    });

    it('are in no directory of thousands', async () => {
      await folder.writeModel(MODEL);
      await Promise.all(Array.from({ length: 4_100 }, (_, i) => writeFile(folder.at(MODEL, `${i}`), '')));
      serve(aPodOf(MODEL));
      assert.equal((await broken()).kind, 'too_many_files');
    });

    for (const [what, files, reason] of [
      ['no JSON', { 'tokenizer_config.json': '{"bos_token": "hunter2' }, 'is not valid JSON'],
      ['no object', { 'tokenizer_config.json': '[]' }, 'must be a JSON object'],
      ['a number for a token', { 'tokenizer_config.json': { eos_token: 2 } }, /^says of eos_token/],
      ['a number for a template', { 'tokenizer_config.json': { chat_template: 2 } }, /neither a text nor/],
      [
        'a template without a name',
        { 'tokenizer_config.json': { chat_template: [{}] } },
        /neither a text nor/,
      ],
      ['no text for a processor', { 'chat_template.json': {} }, 'has no text as chat_template'],
      ['bytes', { 'chat_template.jinja': Buffer.from([0xff, 0xfe]) }, 'is not UTF-8'],
    ] as const) {
      it(`are named with what is wrong: ${what}`, async () => {
        await folder.writeModel(MODEL, files as Record<string, object>);
        serve(aPodOf(MODEL));
        const problem = await broken();
        assert(problem.kind === 'invalid');
        assert.equal(problem.path, folder.at(MODEL, Object.keys(files)[0]!));
        if (typeof reason === 'string') assert.equal(problem.reason, reason);
        else assert.match(problem.reason, reason);
        assert.notInclude(describeFilesProblem(problem), 'hunter2', 'what a file says is not repeated');
      });
    }

    it('are parsed beside the event loop when they are long', async () => {
      const long = { bos_token: '<s>', chat_template: TEMPLATE, padding: 'x'.repeat(1 << 20) };
      await folder.writeModel(MODEL, { 'tokenizer_config.json': long });
      serve(aPodOf(MODEL));
      assert.deepEqual((await ready()).specialTokens, { bos_token: '<s>' });
      await folder.write(`${MODEL}/tokenizer_config.json`, { ...long, bos_token: 1 });
      assert.deepInclude(await broken(), {
        kind: 'invalid',
        path: folder.at(MODEL, 'tokenizer_config.json'),
      });
    });
  });

  it('that do not answer are said to, and asked for again', async () => {
    let asked = 0;
    const downloads: Downloads = {
      watchedOf: () => folder.at('watched'),
      locate: () => (++asked === 1 ? new Promise(() => {}) : Promise.resolve({ kind: 'waiting' })),
      onProgress: () => {},
      forget: () => {},
      close: async () => {},
    };
    open({ directory: undefined, downloads, timeoutMs: 20 });
    serve(aPodOf(MODEL));
    assert.deepEqual(await broken(), { kind: 'slow', directory: folder.at('watched') });
    const told = new Inbox<string>();
    source!.onChange(told.push);
    await told.next();
    assert.deepEqual(source!.of(MODEL), { kind: 'loading' });
  });

  it('are of nobody once the source is closed', async () => {
    await folder.writeModel(MODEL);
    serve(aPodOf(MODEL));
    await source!.close();
    serve(aPodOf('other'));
    assert.deepEqual(source!.of(MODEL), { kind: 'none' });
    assert.isEmpty(facts.all);
  });
});
