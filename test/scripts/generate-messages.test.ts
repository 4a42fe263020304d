import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from 'chai';
import { MESSAGES_FOLDER, messageFiles } from '../../scripts/generate-messages.ts';

describe('the types of the ext_proc messages', () => {
  it('are what the generator makes: run `npm run generate` after a change of protos/', () => {
    const made = messageFiles();
    assert.include([...made.keys()], 'envoy/service/ext_proc/v3/ProcessingResponse.ts');
    assert.sameMembers(globSync('**/*.ts', { cwd: MESSAGES_FOLDER }), [...made.keys()]);
    for (const [name, text] of made)
      assert.equal(readFileSync(join(MESSAGES_FOLDER, name), 'utf8'), text, name);
  });
});
