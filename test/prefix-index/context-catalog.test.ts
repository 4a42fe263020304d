import { assert } from 'chai';
import { ContextCatalog } from '../../src/prefix-index/context-catalog.ts';
import { holder } from '../support/blocks.ts';

describe('the context catalog', () => {
  const A = holder(0);
  const B = holder(1);
  let catalog: ContextCatalog;
  beforeEach(() => {
    catalog = new ContextCatalog();
  });

  it('knows nothing at first', () => {
    assert.deepEqual(catalog.blockSizes('demo'), []);
    assert.isFalse(catalog.isAdapter('demo'));
    assert.isFalse(catalog.uses(A, 'demo', 16));
  });

  it('knows every block size of a model once, and who uses it', () => {
    catalog.note(A, 'demo', 16);
    catalog.note(A, 'demo', 16);
    catalog.note(B, 'demo', 64);
    catalog.note(B, 'other', 32);
    assert.sameMembers(catalog.blockSizes('demo'), [16, 64]);
    assert.deepEqual(catalog.blockSizes('other'), [32]);
    assert.isTrue(catalog.uses(A, 'demo', 16));
    assert.isFalse(catalog.uses(A, 'demo', 64));
    assert.isFalse(catalog.uses(B, 'demo', 32));
  });

  it('knows adapters by name', () => {
    catalog.noteAdapter(A, 'sql');
    catalog.noteAdapter(B, 'sql');
    assert.isTrue(catalog.isAdapter('sql'));
    assert.isFalse(catalog.isAdapter('demo'));
  });

  it('forgets what only a forgotten holder has shown', () => {
    catalog.note(A, 'demo', 16);
    catalog.note(B, 'demo', 16);
    catalog.note(A, 'demo', 64);
    catalog.note(A, 'sql', 16);
    catalog.noteAdapter(A, 'sql');
    catalog.noteAdapter(A, 'chat');
    catalog.noteAdapter(B, 'chat');
    catalog.forget(A);
    assert.deepEqual(catalog.blockSizes('demo'), [16]);
    assert.deepEqual(catalog.blockSizes('sql'), []);
    assert.isFalse(catalog.isAdapter('sql'));
    assert.isTrue(catalog.isAdapter('chat'));
    catalog.forget(B);
    assert.deepEqual(catalog.blockSizes('demo'), []);
    assert.isFalse(catalog.isAdapter('chat'));
  });
});
