/** What SentencePiece's vocabularies have for blanks and for bytes. */
export const META = '▁';

export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
