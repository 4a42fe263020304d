import { assert } from 'chai';
import { readManifests } from '../../src/migration/manifests.ts';
import { readManifestsAside } from '../../src/migration/manifests-aside.ts';

const NEVER = new AbortController().signal;

const service = (name: string) => `{ apiVersion: v1, kind: Service, metadata: { name: ${name} } }`;
const names = (text: string) => {
  const { objects, problems } = readManifests(text);
  assert.deepEqual(problems, []);
  return objects.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
};
const problems = (text: string) =>
  readManifests(text).problems.map(({ place, reason }) => `${place} ${reason}`);

describe('readManifests', () => {
  it('reads documents, empty ones among them', () => {
    assert.deepEqual(names(`---\n${service('a')}\n---\n# nothing\n---\n${service('b')}\n`), [
      'Service default/a',
      'Service default/b',
    ]);
  });

  it('reads a List in YAML and in JSON', () => {
    assert.deepEqual(names(`apiVersion: v1\nkind: List\nitems:\n- ${service('a')}\n- ${service('b')}`), [
      'Service default/a',
      'Service default/b',
    ]);
    const item = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'llm' } };
    assert.deepEqual(names(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item] })), ['Pod llm/a']);
  });

  it('reads a list of one kind whose items do not say it', () => {
    assert.deepEqual(
      names('apiVersion: v1\nkind: PodList\nitems: [ { metadata: { name: a, namespace: llm } } ]'),
      ['Pod llm/a'],
    );
  });

  it('reads anchors and merge keys', () => {
    const text = `x: &base { apiVersion: v1, kind: Service }\n`;
    assert.deepEqual(
      names(`apiVersion: v1\nkind: List\nitems:\n- <<: &base ${service('a')}\n  metadata: { name: b }`),
      ['Service default/b'],
    );
    assert.match(problems(text)[0]!, /apiVersion or kind is missing/);
  });

  const broken: readonly [string, string, RegExp][] = [
    ['no YAML', 'a: [1', /^the document, line 1 is no YAML: .*helm template/],
    ['a Helm template', 'a: 1\n{{- if .Values.x }}\nb: 2', /line \d+ is no YAML/],
    [
      'one document of three',
      `${service('a')}\n---\na: "\n---\n${service('b')}`,
      /^document 2, line \d+ is no YAML/,
    ],
    ['a text', 'hello', /^the document is no object of the Kubernetes API/],
    ['a list', '[ 1 ]', /^the document is no object/],
    ['no name', 'apiVersion: v1\nkind: Pod', /^the document \(Pod\) has no metadata.name/],
    [
      'a list in a list',
      `apiVersion: v1\nkind: List\nitems: [ { apiVersion: v1, kind: List, items: [] } ]`,
      /^the document, item 1 is a list in a list/,
    ],
    ['an item that is none', 'apiVersion: v1\nkind: List\nitems: [ 7 ]', /item 1 is no object/],
    [
      'aliases that multiply',
      `apiVersion: v1\nkind: Pod\nmetadata: { name: a }\na: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]`,
      /Excessive alias count/,
    ],
    ['bytes', '\u0000\u0001\ufffd', /^the document/],
  ];
  for (const [what, text, words] of broken) {
    it(`says what is wrong with ${what}`, () => {
      assert.match(problems(text).join('\n'), words);
    });
  }

  it('names ten problems at most', () => {
    assert.lengthOf(problems(Array.from({ length: 50 }, () => 'a: 1').join('\n---\n')), 10);
  });
});

describe('readManifestsAside', function () {
  this.timeout(20_000);

  it('reads the same', async () => {
    assert.deepEqual(await readManifestsAside(service('a'), NEVER), readManifests(service('a')));
  });

  it('gives up what takes for ever, and says what to do', async () => {
    const text = `a: ${'['.repeat(3_000)}`;
    const { objects, problems } = await readManifestsAside(text, NEVER, { timeoutMs: 1, maxHeapMb: 512 });
    assert.deepEqual(objects, []);
    assert.match(problems[0]!.reason, /takes more than 0\.001 s .*kubectl get -o json/);
  });

  it('gives up what nests too deep', async () => {
    const { problems } = await readManifestsAside('['.repeat(200_000), NEVER, {
      timeoutMs: 15_000,
      maxHeapMb: 512,
    });
    assert.lengthOf(problems, 1);
  });

  it('ends when it is told to', async () => {
    const ending = new AbortController();
    ending.abort('SIGTERM');
    const rejected = await readManifestsAside(service('a'), ending.signal).catch((error: unknown) => error);
    assert.equal(rejected, 'SIGTERM');
  });
});
