import { assert } from 'chai';
import { renderBody } from '../../../src/prompt/engine/render-body.ts';
import { parsePrompt } from '../../../src/prompt/request.ts';

function bodyOf(text: string): Uint8Array {
  const parsed = parsePrompt('/v1/chat/completions', undefined, Buffer.from(text));
  if (parsed.kind !== 'prompt') assert.fail('not a prompt');
  return renderBody(parsed.prompt);
}

const withImage = (more = '') =>
  `\n { "model": "m"${more}, "messages": [{"role":"user","content":[{"type": "image_url"}]}]}`;

describe('renderBody', () => {
  it('is the client’s own bytes where there is text alone', () => {
    const text = '{"model":"m", "messages":[{"role":"user","content":"an image"}]}';
    assert.equal(Buffer.from(bodyOf(text)).toString(), text);
  });

  for (const part of ['image_url', 'image', 'input_image', 'input_audio', 'audio_url', 'video_url']) {
    it(`does without the tensors of ${part}, and is the same otherwise`, () => {
      const text = withImage().replace('image_url', part);
      const { mm_payload, ...others } = JSON.parse(Buffer.from(bodyOf(text)).toString());
      assert.equal(mm_payload, 'none');
      assert.deepEqual(others, JSON.parse(text));
    });
  }

  it('leaves a client its own choice', () => {
    const body = JSON.parse(Buffer.from(bodyOf(withImage(', "mm_payload": "tensors"'))).toString());
    assert.equal(body.mm_payload, 'tensors');
  });
});
