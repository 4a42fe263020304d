import { assert } from 'chai';
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

  it('stay as they are when a source names two pods alike', () => {
    const [file, cluster] = [sources.add(), sources.add()];
    file.replace([entry('a', ['10.0.0.1'])]);
    assert.throws(() => cluster.replace([entry('b', ['10.0.0.2']), entry('b', ['10.0.0.3'])]), /b/);
    file.replace([entry('c', ['10.0.0.4'])]);
    assert.deepEqual(known(), ['c demo']);
  });
});
