import { assert } from 'chai';
import fc from 'fast-check';
import { type FormField, findFormField, isMultipart } from '../../src/prompt/multipart.ts';
import { parsePrompt } from '../../src/prompt/request.ts';

const TYPE = 'multipart/form-data; boundary=XX';

interface Part {
  readonly headers: string;
  readonly content: string | Uint8Array;
}

const field = (name: string, content: string): Part => ({
  headers: `Content-Disposition: form-data; name="${name}"`,
  content,
});
const file = (name: string, content: string | Uint8Array): Part => ({
  headers: `Content-Disposition: form-data; name="${name}"; filename="a.wav"\r\nContent-Type: audio/wav`,
  content,
});

function form(parts: readonly Part[], boundary = 'XX'): Buffer {
  const pieces = parts.flatMap(({ headers, content }) => [
    Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`),
    Buffer.from(content as string),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

const found = (value: string): FormField => ({ kind: 'found', value });
const MALFORMED: FormField = { kind: 'malformed' };
const ABSENT: FormField = { kind: 'absent' };

describe('findFormField', () => {
  const noise = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256);

  it('finds the field before and after a file', () => {
    for (const parts of [
      [field('model', 'whisper'), file('file', noise)],
      [file('file', noise), field('model', 'whisper')],
    ]) {
      assert.deepEqual(findFormField(TYPE, form(parts), 'model'), found('whisper'));
    }
  });

  const shapes: [string, string, string | Buffer, FormField][] = [
    [
      'an upper-case type and parameters',
      'Multipart/Form-Data; charset=x; Boundary=XX',
      form([field('model', 'm')]),
      found('m'),
    ],
    [
      'a quoted boundary',
      'multipart/form-data; boundary="a b"',
      form([field('model', 'm')], 'a b'),
      found('m'),
    ],
    ['a preamble', TYPE, `preamble\r\n${form([field('model', 'm')])}`, found('m')],
    [
      'blanks after a delimiter',
      TYPE,
      '--XX \t\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--XX--',
      found('m'),
    ],
    [
      'a header name in lower case',
      TYPE,
      '--XX\r\nx-a: b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--XX--',
      found('m'),
    ],
    ['text that is not ASCII', TYPE, form([field('model', 'modèle')]), found('modèle')],
    ['an empty field', TYPE, form([field('model', '')]), found('')],
    [
      'a field without content or its line break',
      TYPE,
      '--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\n--XX--',
      found(''),
    ],
    ['the first of two fields', TYPE, form([field('model', 'a'), field('model', 'b')]), found('a')],
    [
      'a value that has the boundary in its midst',
      TYPE,
      form([field('prompt', 'x--XX--\r\n-XX'), field('model', 'm')]),
      found('m'),
    ],
    [
      'a part without headers before it',
      TYPE,
      '--XX\r\n\r\nx\r\n--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--XX--',
      found('m'),
    ],
    ['no such field', TYPE, form([field('models', 'm')]), ABSENT],
    ['only a file of that name', TYPE, form([file('model', 'm')]), ABSENT],
    ['no part at all', TYPE, '--XX--', ABSENT],
    ['no boundary', 'multipart/form-data', form([field('model', 'm')]), MALFORMED],
    ['an empty boundary', 'multipart/form-data; boundary=', form([field('model', 'm')], ''), MALFORMED],
    [
      'a boundary of 71 characters',
      `multipart/form-data; boundary=${'x'.repeat(71)}`,
      form([field('model', 'm')], 'x'.repeat(71)),
      MALFORMED,
    ],
    [
      'a boundary with a control character',
      'multipart/form-data; boundary="a\tb"',
      form([field('model', 'm')], 'a\tb'),
      MALFORMED,
    ],
    ['another boundary', TYPE, form([field('model', 'm')], 'YY'), MALFORMED],
    ['an empty body', TYPE, '', MALFORMED],
    ['a body that ends after a delimiter', TYPE, '--XX', MALFORMED],
    [
      'a body that ends in the headers',
      TYPE,
      '--XX\r\nContent-Disposition: form-data; name="model"',
      MALFORMED,
    ],
    [
      'a body that ends in the content',
      TYPE,
      '--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nm',
      MALFORMED,
    ],
    ['a model name of 1,025 bytes', TYPE, form([field('model', 'm'.repeat(1025))]), MALFORMED],
    [
      'headers of 9 KiB',
      TYPE,
      form([{ headers: `X: ${'x'.repeat(9216)}`, content: '' }, field('model', 'm')]),
      MALFORMED,
    ],
    [
      '65 parts',
      TYPE,
      form([...Array.from({ length: 65 }, () => field('a', '')), field('model', 'm')]),
      MALFORMED,
    ],
  ];
  for (const [what, type, body, expected] of shapes) {
    it(`is ${JSON.stringify(expected)} for ${what}`, () => {
      assert.deepEqual(findFormField(type, Buffer.from(body as string), 'model'), expected);
    });
  }

  it('finds any short name among any other parts', () => {
    const content = fc.uint8Array({ maxLength: 200 });
    const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(content, { maxLength: 5 }), name, (others, model) => {
        const parts = [...others.map(bytes => file('file', bytes)), field('model', model)];
        const boundary = 'cH2ZJk0Qz';
        const type = `multipart/form-data; boundary=${boundary}`;
        assert.deepEqual(findFormField(type, form(parts, boundary), 'model'), found(model));
      }),
    );
  });

  it('tells multipart from other content types', () => {
    assert.isTrue(isMultipart(' Multipart/form-data; boundary=x'));
    for (const type of [undefined, '', 'application/json', 'x-multipart/form-data'])
      assert.isFalse(isMultipart(type));
  });
});

describe('parsePrompt with a form', () => {
  it('reads the model and nothing else', () => {
    const raw = form([file('file', 'RIFF'), field('model', 'whisper'), field('cache_salt', 'x')]);
    assert.deepEqual(parsePrompt('/v1/audio/transcriptions?x=1', TYPE, raw), {
      kind: 'prompt',
      prompt: {
        path: '/v1/audio/transcriptions',
        model: 'whisper',
        adapter: undefined,
        salt: '',
        extraKey: '',
        content: { kind: 'none' },
        body: {},
        raw,
      },
    });
  });

  const mistakes: [string, Buffer, string, string | null][] = [
    ['without a model', form([file('file', 'RIFF')]), "'model' is a required property", 'model'],
    ['with an empty model', form([field('model', '')]), "'model' is a required property", 'model'],
    ['that is none', Buffer.from('{"model":"m"}'), 'error processing multipart request body', null],
  ];
  for (const [what, raw, message, param] of mistakes) {
    it(`answers a form ${what} with: ${message}`, () => {
      assert.deepEqual(parsePrompt('/v1/images/edits', TYPE, raw), {
        kind: 'invalid',
        error: { kind: 'malformed_body', message, param },
      });
    });
  }
});
