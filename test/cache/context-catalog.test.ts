import { assert } from 'chai';
import { ContextCatalog } from '../../src/cache/context-catalog.ts';
import { blockForm, holder } from '../support/blocks.ts';

describe('the context catalog', () => {
  const A = holder(0);
  const B = holder(1);
  let catalog: ContextCatalog;
  beforeEach(() => {
    catalog = new ContextCatalog();
  });

  it('knows nothing at first', () => {
    assert.deepEqual(catalog.blockForms('demo'), []);
    assert.isFalse(catalog.isAdapter('demo'));
    assert.isFalse(catalog.uses(A, 'demo', blockForm(16)));
  });

  it('knows every block size of a model once, and who uses it', () => {
    catalog.note(A, 'demo', blockForm(16), 'base');
    catalog.note(A, 'demo', blockForm(16), 'base');
    catalog.note(B, 'demo', blockForm(64), 'base');
    catalog.note(B, 'other', blockForm(32), 'base');
    assert.sameDeepMembers(catalog.blockForms('demo'), [blockForm(16), blockForm(64)]);
    assert.deepEqual(catalog.blockForms('other'), [blockForm(32)]);
    assert.isTrue(catalog.uses(A, 'demo', blockForm(16)));
    assert.deepEqual(
      [16, 64, 32].map(size => catalog.shows(A, size)),
      [true, false, false],
    );
    assert.deepEqual(
      [16, 64, 32].map(size => catalog.shows(B, size)),
      [false, true, true],
    );
    assert.deepEqual(
      [A, B, holder(2)].map(id => catalog.showsAny(id)),
      [true, true, false],
    );
    assert.isFalse(catalog.uses(A, 'demo', blockForm(64)));
    assert.isFalse(catalog.uses(B, 'demo', blockForm(32)));
  });

  it('knows adapters by name', () => {
    catalog.note(A, 'sql', blockForm(16), 'adapter');
    catalog.note(B, 'sql', blockForm(16), 'adapter');
    assert.isTrue(catalog.isAdapter('sql'));
    assert.isFalse(catalog.isAdapter('demo'));
  });

  it('forgets what only a forgotten holder has shown', () => {
    catalog.note(A, 'demo', blockForm(16), 'base');
    catalog.note(B, 'demo', blockForm(16), 'base');
    catalog.note(A, 'demo', blockForm(64), 'base');
    catalog.note(A, 'sql', blockForm(16), 'adapter');
    catalog.note(A, 'chat', blockForm(16), 'adapter');
    catalog.note(B, 'chat', blockForm(16), 'adapter');
    catalog.forget(A);
    assert.deepEqual(catalog.blockForms('demo'), [blockForm(16)]);
    assert.deepEqual(catalog.blockForms('sql'), []);
    assert.isFalse(catalog.isAdapter('sql'));
    assert.isTrue(catalog.isAdapter('chat'));
    catalog.forget(B);
    assert.deepEqual(catalog.blockForms('demo'), []);
    assert.isFalse(catalog.isAdapter('chat'));
  });

  it('knows what a pod serves until it serves something else, or has gone', () => {
    catalog.setServed('a', { adapters: ['sql', 'chat'], baseNames: ['demo'] });
    catalog.setServed('b', { adapters: ['sql'], baseNames: ['demo'] });
    catalog.setServed('a', { adapters: ['chat'], baseNames: [] });
    assert.deepEqual(
      ['sql', 'chat', 'demo'].map(name => catalog.isAdapter(name)),
      [true, true, false],
    );
    assert.isTrue(catalog.isBaseName('demo'));
    catalog.forgetServed('b');
    catalog.forgetServed('b');
    assert.deepEqual(
      ['sql', 'chat'].map(name => catalog.isAdapter(name)),
      [false, true],
    );
    assert.isFalse(catalog.isBaseName('demo'));
  });

  it('keeps what a pod serves apart from what its events have shown', () => {
    catalog.setServed('a', { adapters: ['sql'], baseNames: [] });
    catalog.note(A, 'sql', blockForm(16), 'adapter');
    catalog.forget(A);
    assert.isTrue(catalog.isAdapter('sql'), 'a cleared cache unloads no adapter');
  });

  describe('bounds', () => {
    it('the block sizes of a holder, and of a model', () => {
      const sizes = Array.from({ length: 3_000 }, (_, i) => i + 1);
      assert.lengthOf(
        sizes.filter(size => catalog.note(A, 'demo', blockForm(size), 'base')),
        4,
      );
      assert.isTrue(catalog.note(A, 'demo', blockForm(1), 'base'), 'what is known may come again');
      assert.lengthOf(
        sizes.filter(size => catalog.note(B, 'demo', blockForm(size + 4), 'base')),
        4,
      );
      assert.isFalse(catalog.note(holder(2), 'demo', blockForm(9), 'base'));
      assert.isTrue(catalog.note(holder(2), 'demo', blockForm(8), 'base'));
      assert.lengthOf(catalog.blockForms('demo'), 8);
      catalog.forget(A);
      assert.isTrue(catalog.note(holder(2), 'demo', blockForm(9), 'base'), 'there is room again');
    });

    it('the size of a block, and the length of a name', () => {
      assert.isFalse(catalog.note(A, 'demo', blockForm(65_537), 'base'));
      assert.isFalse(catalog.note(A, 'x'.repeat(513), blockForm(16), 'base'));
      catalog.setServed('a', { adapters: ['x'.repeat(513), 'sql'], baseNames: [] });
      assert.isFalse(catalog.isAdapter('x'.repeat(513)));
      assert.isTrue(catalog.isAdapter('sql'));
    });

    it('the adapters of a holder and of a pod', () => {
      const names = Array.from({ length: 2_000 }, (_, i) => `adapter-${i}`);
      assert.lengthOf(
        names.filter(name => catalog.note(A, name, blockForm(16), 'base')),
        1_024,
      );
      assert.isTrue(catalog.note(B, 'adapter-1999', blockForm(16), 'base'));
      catalog.setServed('a', { adapters: names, baseNames: names });
      assert.lengthOf(
        names.filter(name => catalog.isAdapter(name)),
        1_024,
      );
    });
  });
});
