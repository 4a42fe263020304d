/** What operators read names nothing that is not there. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { ALERTS } from '../../scripts/alerts.ts';
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { SETTINGS } from '../../src/settings/settings.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const PAGES = ['operations', 'runbook', 'observability', 'metrics', 'worth', 'tracing', 'rollout'].map(
  name => `docs/${name}.md`,
);

/** As GitHub makes them of headings. */
const anchorsOf = (page: string) =>
  Array.from(page.matchAll(/^#+ (.*)$/gm), ([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

const RECORDING = 'record/file-system.ts';
const DOWNLOADS = 'tokenizers/files/hub/hub-cache.ts';

describe('docs/runbook.md', () => {
  const sections = read('docs/runbook.md').split(/^## /m).slice(1);

  it('has a section for each alert, in the order of the rules, and no others', () => {
    assert.deepEqual(
      sections.map(section => section.split('\n', 1)[0]),
      ALERTS.map(({ name }) => name),
    );
  });

  for (const section of sections) {
    it(`says of ${section.split('\n', 1)[0]} what clients feel, where to look, what to do and when it is over`, () => {
      const parts = Array.from(
        section.matchAll(/^\*\*(Clients feel|Look|Do|Over)\*\*/gm),
        ([, part]) => part,
      );
      assert.deepEqual(parts, ['Clients feel', 'Look', 'Do', 'Over']);
    });
  }
});

describe('docs/operations.md', () => {
  const page = read('docs/operations.md');

  it('names tests that there are', () => {
    const named = [...page.matchAll(/`(test\/[^`]+\.ts)`: ((?:“[^”]+”(?:, )?)+)/g)];
    assert.isAbove(named.length, 30);
    for (const [, file, titles] of named) {
      const source = read(file!);
      for (const [, title] of titles!.matchAll(/“([^”]+)”/g)) assert.include(source, title!, file);
    }
  });

  it('names a test for each failure', () => {
    const [, failures] = page.split('## Failure by failure\n');
    const rows = failures!
      .split('\n')
      .filter(line => line.startsWith('| '))
      .slice(2);
    assert.isNotEmpty(rows);
    for (const row of rows) assert.match(row, /\| `test\/[^|]*” \|$/);
  });

  it('says truly that a read-only disk is no failure: the program writes no file but a recording, and downloads', () => {
    const reading =
      /^(type )?(readFile|readFileSync|open|opendir|readdir|realpath|stat|watch|access|constants|createReadStream|FileHandle|FSWatcher|Stats|BigIntStats)$/;
    const allowed = {
      // Standard output is written by its number.
      'ops/log/log-output.ts': /^(write|writeSync|fstatSync)$/,
      // `--out` of `warmroute simulate` and `warmroute history`, which serve nobody.
      'simulation/report/write-files.ts': /^(mkdir|writeFile)$/,
      // A recording, which is asked for.
      [RECORDING]: /^(lstat|rename|unlink)$/,
      // Closes what it has opened to read.
      'tokenizers/worker/text-tokenizer-worker.ts': /^(openSync|closeSync|fstatSync|readSync)$/,
      // Tokenizer files from a hub, which is asked for as well.
      [DOWNLOADS]: /^(mkdir|rename|rm|writeFile)$/,
    } as Record<string, RegExp>;
    const src = fileURLToPath(new URL('src/', ROOT));
    for (const file of globSync('**/*.ts', { cwd: src })) {
      const source = read(`src/${file}`);
      for (const [, names] of source.matchAll(/import \{([^}]*)\} from 'node:fs(?:\/promises)?'/g))
        for (const name of names!
          .split(',')
          .map(each => each.trim())
          .filter(each => each !== ''))
          assert.isTrue(reading.test(name) || allowed[file]?.test(name) === true, `${file}: ${name}`);
      if (file !== RECORDING && file !== DOWNLOADS) assert.notMatch(source, /\bopen\([^)]*'[wa]/, file);
    }
  });
});

for (const path of PAGES) {
  describe(`${path}, as what it names`, () => {
    const page = read(path);

    it('has metrics that there are', () => {
      const known = new Set<string>(Object.values(METRICS).map(({ name }) => name));
      for (const [name] of page.matchAll(/\b(?:warmroute|process)_[a-z_]+\b/g)) {
        if (name === 'warmroute_ext_proc') continue;
        assert.isTrue(known.has(name.replace(/_(bucket|sum|count)$/, '')) || known.has(name), name);
      }
    });

    it('has settings that there are', () => {
      const known = new Set<string>(Object.values(SETTINGS).flatMap(({ names }) => [...names]));
      for (const [name] of page.matchAll(/\bWARMROUTE_[A-Z_]+\b/g)) assert.isTrue(known.has(name), name);
    });

    it('has links to places that there are', () => {
      for (const [, file, anchor] of page.matchAll(/\]\(([\w.-]*\.md)?(?:#([\w-]+))?\)/g)) {
        const target = file === undefined ? path : `docs/${file}`;
        assert.isTrue(existsSync(new URL(target, ROOT)), target);
        if (anchor !== undefined) assert.include(anchorsOf(read(target)), anchor, target);
      }
    });
  });
}
