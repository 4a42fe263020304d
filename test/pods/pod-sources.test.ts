import { assert } from 'chai';
import type { AliasConflict } from '../../src/pods/alias-conflicts.ts';
import { PodSources } from '../../src/pods/pod-sources.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { entryAt, type PodEntry } from '../../src/pods/spec.ts';
import { aPod } from '../support/builders.ts';

function entry(
  name: string,
  ips: readonly string[],
  given: { port?: number; model?: string } = {},
): PodEntry {
  return entryAt({ ...aPod({ name, ...given }), address: 'host' }, ips);
}

describe('pods of several sources', () => {
  let registry: PodRegistry;
  let sources: PodSources;
  beforeEach(() => {
    registry = new PodRegistry();
    sources = new PodSources(registry);
  });

  const known = () => registry.pods().map(({ name, model }) => `${name} ${model}`);

  it('add up, and each goes with its source alone', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    file.replace([entry('a', ['10.0.0.1'])]);
    cluster.replace([entry('b', ['10.0.0.2'])]);
    assert.deepEqual(known(), ['a demo', 'b demo']);
    file.replace([]);
    assert.deepEqual(known(), ['b demo']);
    cluster.replace([]);
    assert.isEmpty(known());
  });

  it('are one where two know a pod by its name, or by its address', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    cluster.replace([
      entry('a', ['10.0.0.7'], { model: 'other' }),
      entry('b', ['10.0.0.1'], { model: 'other' }),
      entry('c', ['10.0.0.1'], { port: 9, model: 'other' }),
    ]);
    assert.deepEqual(known(), ['a other', 'b other', 'c other']);
    file.replace([entry('a', ['10.0.0.1'])]);
    assert.deepEqual(known(), ['a demo', 'c other']);
    file.replace([]);
    assert.deepEqual(known(), ['a other', 'b other', 'c other']);
  });

  it('keep those addresses of an entry that nobody else knows', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    file.replace([entry('a', ['10.0.0.1'])]);
    cluster.replace([entry('b', ['10.0.0.1', '10.0.0.2'])]);
    assert.deepEqual(known(), ['a demo', 'b/10.0.0.2 demo']);
  });

  it('keep an entry that has no pods yet: its model is known', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    file.replace([entry('a', ['10.0.0.1'])]);
    cluster.replace([entry('b', [], { model: 'other' })]);
    assert.isTrue(registry.knows('other'));
  });

  it('are one where one source says that the pod is not ready', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    const { pods, ...rest } = entry('a', ['10.0.0.1']);
    file.replace([{ ...rest, pods: [], unready: pods }]);
    cluster.replace([entry('b', ['10.0.0.1']), entry('c', ['10.0.0.2'])]);
    assert.deepEqual(known(), ['a demo', 'c demo']);
    assert.isTrue(registry.isUnready('a'));
  });

  it('share an alias only if they have one model, which is told once', () => {
    const conflicts: AliasConflict[] = [];
    const [file, cluster] = [0, 1].map(() => new PodSources(registry, each => conflicts.push(each)).add());
    const aliased = (name: string, ip: string, model: string, ...aliases: string[]) =>
      entryAt({ ...aPod({ name, model, aliases }), address: ip }, [ip]);
    const serving = (model: string) => registry.serving(model).map(({ name }) => name);
    const [a, b] = [aliased('a', '10.0.0.1', 'm', 'sql', 'n'), aliased('b', '10.0.0.2', 'n', 'sql', 'own')];
    for (let i = 0; i < 2; i++) file!.replace([a, b, aliased(`c${i}`, '10.0.0.3', 'm', 'sql')]);
    assert.deepEqual([serving('sql'), serving('n'), serving('own')], [['a', 'c1'], ['b'], ['b']]);
    assert.deepEqual(conflicts, [
      { alias: 'n', model: 'n', other: 'm' },
      { alias: 'sql', model: 'm', other: 'n' },
    ]);
    file!.replace([aliased('0', '10.0.0.4', 'o', 'sql'), a, b]);
    assert.deepEqual(serving('sql'), ['a'], 'whoever has a name keeps it');
    cluster!.replace([]);
    file!.replace([b]);
    assert.deepEqual(serving('sql'), ['b']);
  });

  it('stay as they are when a source names two pods alike', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    file.replace([entry('a', ['10.0.0.1'])]);
    assert.throws(() => cluster.replace([entry('b', ['10.0.0.2']), entry('b', ['10.0.0.3'])]), /b/);
    file.replace([entry('c', ['10.0.0.4'])]);
    assert.deepEqual(known(), ['c demo']);
  });
});
