import { assert } from 'chai';
import { describeFilesProblem } from '../../../src/tokenizers/files/problem.ts';
import type { FilesProblem } from '../../../src/tokenizers/files/tokenizer-files.ts';

const host = 'hub.example';

describe('What is said of tokenizer files', () => {
  for (const [problem, words] of [
    [{ kind: 'no_directory', directory: '/m/a' }, /no directory \/m\/a: put/],
    [
      { kind: 'missing_file', directory: '/m/a', file: 'tokenizer.json' },
      /tokenizer\.json is not in \/m\/a: copy/,
    ],
    [{ kind: 'leads_out', path: '/m/a/x', root: '/m' }, /\/m\/a\/x leads out of \/m: put/],
    [{ kind: 'not_regular', path: '/m/a/x' }, /\/m\/a\/x is no regular file: replace/],
    [{ kind: 'too_long', path: '/m/a/x', maxBytes: 5 }, /longer than 5 bytes/],
    [{ kind: 'too_many_files', directory: '/m/a', most: 5 }, /more than 5 entries: keep/],
    [{ kind: 'unreadable', path: '/m/a/x', reason: 'EACCES' }, /cannot be read: EACCES/],
    [{ kind: 'invalid', path: '/m/a/x', reason: 'is not valid JSON' }, /x is not valid JSON: copy/],
    [{ kind: 'slow', directory: '/m/a' }, /does not answer: see to the mount/],
    [{ kind: 'no_directory_name', root: '/m' }, /directory below \/m: name one/],
    [{ kind: 'places_differ', pods: ['a', 'b'] }, /its pods a and b name different .*: name the same/],
    [{ kind: 'no_root', pod: 'a', name: 'x"' }, /pod a names .* "x\\""/],
    [{ kind: 'no_hub_name' }, /organization\/name/],
    [{ kind: 'not_on_hub', host, hadToken: false }, /hub\.example has no such model, or it needs a token/],
    [{ kind: 'not_on_hub', host, hadToken: true }, /or the token may not read it/],
    [{ kind: 'hub_refuses', host, hadToken: false }, /asks for a token: set HF_TOKEN_PATH/],
    [{ kind: 'hub_refuses', host, hadToken: true }, /refuses the token: renew/],
    [{ kind: 'not_at_hub', host, file: 'tokenizer.json' }, /has no tokenizer\.json of it/],
    [{ kind: 'hub_file_too_long', host, file: 'x', maxBytes: 5 }, /x at hub\.example is longer than 5 bytes/],
    [
      { kind: 'hub_unavailable', host, reason: 'it answers 503' },
      /\(it answers 503\), and is asked again later/,
    ],
    [{ kind: 'no_token_file', path: '/t', reason: 'must hold' }, /HF_TOKEN_PATH: \/t must hold/],
    [{ kind: 'not_in_cache', directory: '/c' }, /not in \/c, and HF_HUB_OFFLINE is on: fill/],
    [{ kind: 'cache_not_writable', directory: '/c', reason: 'EROFS' }, /\/c cannot be written: EROFS; mount/],
  ] as const satisfies readonly (readonly [FilesProblem, RegExp])[]) {
    it(`says what ${problem.kind} is, and what to do`, () => {
      assert.match(describeFilesProblem(problem), words);
    });
  }
});
