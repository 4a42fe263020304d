import type { PromptRequest } from '../request.ts';

/** How content parts begin that are not text, in every API. That a text may hold the same does no harm. */
const MEDIA = ['"image', '"input_image', '"input_audio', '"audio_url', '"video_url'];

/**
 * What is asked of a render endpoint: the client's own bytes. Of images and the like vLLM (0.32) would answer with all that its
 * processor made of them, megabytes each; a field that it knows leaves only which ones they are and where. A client's own
 * field of this name wins, as the later one.
 */
const WITHOUT_TENSORS = '{"mm_payload":"none",';

export function renderBody({ raw, body }: PromptRequest): Uint8Array {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  if (!MEDIA.some(mark => bytes.includes(mark)) || Object.keys(body).length === 0) return raw;
  return Buffer.concat([Buffer.from(WITHOUT_TENSORS), bytes.subarray(bytes.indexOf('{') + 1)]);
}
