import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assert } from 'chai';
import { type Admin, startAdmin } from '../../../src/ops/admin/admin.ts';
import { answerFile, answerPage } from '../../../src/ops/console/page-files.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

describe('The console’s page', () => {
  let admin: Admin;

  before(async () => {
    admin = await startAdmin({
      ...{ host: '127.0.0.1', port: 0, operators: 'loopback', hosts: [] },
      routes: [
        { method: 'GET', path: '/', audience: 'operator', answer: answerPage },
        { method: 'GET', path: '/console/*', audience: 'operator', answer: answerFile },
      ],
    });
  });

  after(() => admin.stop());

  const ask = (path: string) => fetch(`http://127.0.0.1:${admin.port}${path}`);

  it('lets a browser run and load nothing but its own files', async () => {
    const { status, headers } = await ask('/');
    assert.equal(status, 200);
    const policy = headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
      assert.include(policy, rule);
    assert.notMatch(policy, /unsafe|\*|https?:/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  });

  it('has no script or style in its markup, which that would refuse', async () => {
    const page = await (await ask('/')).text();
    assert.notMatch(page, /<script(?![^>]*\bsrc=)/);
    assert.notMatch(page, /<style|\sstyle=|\son\w+=/);
    assert.notMatch(page, /(src|href)="(https?:)?\/\//);
  });

  it('has all the files that it names, and those that its scripts import', async () => {
    const page = await (await ask('/')).text();
    const waiting = Array.from(page.matchAll(/(?:src|href)="console\/([^"]+)"/g), match => match[1]!);
    const seen = new Set<string>();
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const response = await ask(`/console/${name}`);
      assert.equal(response.status, 200, name);
      const type = name.endsWith('.js')
        ? 'text/javascript'
        : name.endsWith('.css')
          ? 'text/css'
          : 'image/svg+xml';
      assert.include(response.headers.get('content-type') ?? '', type);
      const imports = (await response.text()).matchAll(/^import .* from '\.\/(.*)';$/gm);
      if (name.endsWith('.js')) waiting.push(...Array.from(imports, match => match[1]!));
    }
    const own = (await readdir(new URL('../../../console/', import.meta.url))).filter(name =>
      /\.(js|css|svg)$/.test(name),
    );
    assert.sameMembers([...seen], [...own, 'uplot.js', 'uplot.css']);
  });

  it('serves nothing else', async () => {
    for (const name of [
      '..%2fpackage.json',
      'tsconfig.json',
      'index.html',
      'no-such.js',
      '%2e%2e/x.js',
      'a%00.js',
    ]) {
      assert.equal((await ask(`/console/${name}`)).status, 404, name);
    }
  });

  it('is in the package, with all its files', async function () {
    this.timeout(20_000);
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
    });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const inPackage = packed.files.map(({ path }) => path).filter(path => path.startsWith('console/'));
    const served = await readdir(new URL('../../../console/', import.meta.url));
    assert.sameMembers(
      inPackage,
      served.filter(name => /\.(html|js|css|svg)$/.test(name)).map(name => `console/${name}`),
    );
  });
});
