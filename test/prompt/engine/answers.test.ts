import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { type EngineAnswer, readAnswer } from '../../../src/prompt/engine/answers.ts';

interface Recorded {
  readonly note: string;
  readonly path: string;
  readonly status: number;
  readonly response: unknown;
}

const recordings = ['0.32.0', '0.23.0'].flatMap(version => {
  const file = new URL(`../../fixtures/vllm-${version}-tokenize.json`, import.meta.url);
  const rows: Recorded[] = JSON.parse(readFileSync(file, 'utf8'));
  return rows.map(row => ({ ...row, name: `${version} ${row.note}` }));
});

/** What is not 200 with tokens; the number is how many tokens there are. */
const EXPECTED: Record<string, number | Exclude<EngineAnswer['kind'], 'tokens'>> = {
  '0.32.0 completion form': 8,
  '0.32.0 list prompt': 'refused',
  '0.32.0 empty prompt': 0,
  '0.32.0 chat form': 28,
  '0.32.0 chat, continue_final_message': 29,
  '0.32.0 unknown model': 'refused',
  '0.32.0 chat render': 28,
  '0.32.0 chat render multi-part': 13,
  '0.32.0 chat render unknown model': 'refused',
  '0.32.0 chat render too long': 'refused',
  '0.32.0 completions render': 4,
  '0.32.0 completions render list': 1,
  '0.32.0 responses render': 17,
  '0.32.0 anthropic render': 9,
  '0.32.0 chat render (without --enable-scale-out)': 'absent',
  '0.32.0 responses render (without --enable-scale-out)': 'absent',
  '0.23.0 list prompt': 'refused',
  '0.23.0 chat form': 28,
  '0.23.0 chat render': 28,
  '0.23.0 chat render unknown model': 'refused',
  '0.23.0 completions render': 4,
  '0.23.0 responses render': 'absent',
  '0.23.0 anthropic render': 'absent',
};

describe('readAnswer', () => {
  for (const { name, path, status, response } of recordings) {
    it(`reads what vLLM ${name} answered as ${EXPECTED[name]}`, () => {
      const answer = readAnswer(path === '/tokenize' ? 'tokenize' : 'render', { status, body: response });
      assert.equal(answer.kind === 'tokens' ? answer.ids.length : answer.kind, EXPECTED[name]!);
    });
  }

  it('reads the same tokens from render and tokenize', () => {
    const ids = recordings
      .filter(({ note }) => note === 'chat form' || note === 'chat render')
      .map(({ path, status, response: body }) => {
        const answer = readAnswer(path === '/tokenize' ? 'tokenize' : 'render', { status, body });
        return answer.kind === 'tokens' ? answer.ids : assert.fail(answer.kind);
      });
    assert.lengthOf(ids, 4);
    for (const other of ids) assert.deepEqual(other, ids[0]!);
  });

  const tokens: [unknown, EngineAnswer['kind']][] = [
    [[], 'tokens'],
    [[0, 4294967295], 'tokens'],
    [[-1], 'failed'],
    [[1.5], 'failed'],
    [[4294967296], 'failed'],
    [['1'], 'failed'],
    [[null], 'failed'],
    [[[1]], 'failed'],
    ['12', 'failed'],
    [{ length: 1, 0: 1 }, 'failed'],
    [null, 'failed'],
    [undefined, 'failed'],
  ];
  for (const [ids, kind] of tokens) {
    it(`reads ${JSON.stringify(ids)} for tokens as ${kind}`, () => {
      assert.equal(readAnswer('tokenize', { status: 200, body: { tokens: ids } }).kind, kind);
      assert.equal(readAnswer('render', { status: 200, body: { token_ids: ids } }).kind, kind);
      assert.equal(readAnswer('render', { status: 200, body: [{ token_ids: ids }] }).kind, kind);
    });
  }

  const place = (offset: number, length = 2) => ({ offset, length });
  const features: [string, unknown, unknown][] = [
    ['no features', null, []],
    [
      'images and sounds, by their places',
      {
        mm_hashes: { image: ['cat', 'owl'], audio: ['song'] },
        mm_placeholders: { image: [place(1), place(9)], audio: [place(5)] },
        kwargs_data: null,
      },
      [
        { identifier: 'cat', ...place(1) },
        { identifier: 'song', ...place(5) },
        { identifier: 'owl', ...place(9) },
      ],
    ],
    ['an image without a place', { mm_hashes: { image: ['cat'] }, mm_placeholders: {} }, 'failed'],
    [
      'an image of nothing',
      { mm_hashes: { image: ['cat'] }, mm_placeholders: { image: [place(1, 0)] } },
      'failed',
    ],
    [
      'a place before the start',
      { mm_hashes: { image: ['c'] }, mm_placeholders: { image: [place(-1)] } },
      'failed',
    ],
    [
      'an image without a hash',
      { mm_hashes: { image: [null] }, mm_placeholders: { image: [place(1)] } },
      'failed',
    ],
    ['features of another kind', ['cat'], 'failed'],
  ];
  for (const [what, given, expected] of features) {
    it(`reads ${what} of a rendered prompt`, () => {
      const answer = readAnswer('render', { status: 200, body: { token_ids: [1], features: given } });
      assert.deepEqual(answer.kind === 'tokens' ? answer.media : answer.kind, expected);
    });
  }

  for (const body of [undefined, null, [], {}, 'ok', 5, [null]]) {
    it(`reads 200 with ${JSON.stringify(body)} as failed`, () => {
      for (const route of ['render', 'tokenize'] as const) {
        assert.equal(readAnswer(route, { status: 200, body }).kind, 'failed');
      }
    });
  }

  const flat = {
    object: 'error',
    message: 'The model `x` does not exist.',
    type: 'NotFoundError',
    param: null,
  };
  const statuses: [number, unknown, EngineAnswer['kind']][] = [
    [404, flat, 'refused'],
    [404, { error: { message: 'whatever', param: 'model' } }, 'refused'],
    [404, { detail: 'Not Found' }, 'absent'],
    [404, undefined, 'absent'],
    [404, 'model', 'absent'],
    [401, { error: 'Unauthorized' }, 'unauthorized'],
    [405, { detail: 'Method Not Allowed' }, 'absent'],
    [501, undefined, 'absent'],
    [413, undefined, 'refused'],
    [422, undefined, 'refused'],
    [408, undefined, 'failed'],
    [429, undefined, 'failed'],
    [500, undefined, 'failed'],
    [503, undefined, 'failed'],
    [302, undefined, 'failed'],
    [204, undefined, 'failed'],
  ];
  for (const [status, body, kind] of statuses) {
    it(`reads ${status} with ${JSON.stringify(body)} as ${kind}`, () => {
      assert.equal(readAnswer('render', { status, body }).kind, kind);
    });
  }
});
