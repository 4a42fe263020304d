/** The file may be a good one, but asks for what is not done exactly here: the engine is to be asked. */
export class UnsupportedTokenizer extends Error {
  override readonly name = 'UnsupportedTokenizer';
}

/** The file is no tokenizer that Hugging Face's library would load. */
export class InvalidTokenizer extends Error {
  override readonly name = 'InvalidTokenizer';
}
