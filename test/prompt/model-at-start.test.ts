import { assert } from 'chai';
import fc from 'fast-check';
import { modelAtStart } from '../../src/prompt/model-at-start.ts';

const CASES: Readonly<Record<string, string | undefined>> = {
  '{"model":"demo"': 'demo',
  '{"model":"demo","messages":[{"role":"us': 'demo',
  ' {\n\t"model" :\r\n "demo" , "prompt": "Once': 'demo',
  '{"messages":[{"role":"user","content":"Hi"}],"model":"demo","x': 'demo',
  '{"n":1,"stream":true,"stop":null,"t":-0.5e3,"model":"demo"': 'demo',
  '{"model":"de\\"mo\\u00e9\\\\"': 'de"moé\\',
  '{"model":"démo"': 'démo',
  // Not the request's own model.
  '{"messages":[{"model":"other"': undefined,
  '{"metadata":{"model":"other"},"model":"demo"': 'demo',
  '{"a":[[{"model":"other"}],"model","x"],"model":"demo"': 'demo',
  '{"prompt":"\\"model\\":\\"other\\"","model":"demo"': 'demo',
  '{"prompt":"model","model":"demo"': 'demo',
  '{"x":"model","y":"other"': undefined,
  // Not there, or not yet, or none.
  '': undefined,
  '{': undefined,
  '{"mod': undefined,
  '{"model"': undefined,
  '{"model":': undefined,
  '{"model":"de': undefined,
  '{"model":"demo\\': undefined,
  '{"model":"demo\\"': undefined,
  '{"model":7,"prompt":"x"': undefined,
  '{"model" "demo"': undefined,
  '{"model":"a\nb"': undefined,
  '{"prompt":"x"}': undefined,
  '{} {"model":"demo"}': undefined,
  '["model","demo"': undefined,
  '"model"': undefined,
  '--boundary\r\ncontent-disposition: form-data; name="model"': undefined,
};

describe('The model at the start of a body', () => {
  for (const [text, model] of Object.entries(CASES)) {
    it(`${JSON.stringify(text)} is ${model ?? 'not known'}`, () => {
      assert.equal(modelAtStart(Buffer.from(text)), model);
    });
  }

  it('is that of the whole body, as soon as it has come and never before', () => {
    const bodies = fc.record({ before: fc.dictionary(fc.string(), fc.jsonValue()), model: fc.string() });
    fc.assert(
      fc.property(bodies, fc.nat(), ({ before, model }, at) => {
        delete before.model;
        const text = Buffer.from(JSON.stringify({ ...before, model, after: 1 }));
        assert.equal(modelAtStart(text), model);
        const cut = text.subarray(0, at % text.length);
        assert.oneOf(modelAtStart(cut), [model, undefined]);
      }),
      { numRuns: 500 },
    );
  });

  it('is undefined for any other bytes, or some text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const model = modelAtStart(bytes);
        assert.isTrue(model === undefined || typeof model === 'string');
      }),
    );
  });
});
