import { createCipheriv, randomBytes } from 'node:crypto';

/** A block of AES. */
const AES_BYTES = 16;

/**
 * Makes ids of hashes by a key that is drawn at random and never leaves this object: one file's. Who has the file and guesses a prompt cannot
 * compute its ids, nor compare them with those of another file. AES is a permutation that nobody can tell from a random one without the key,
 * and enciphers all hashes of a prompt in one call of about a microsecond.
 */
export class FileSalt {
  readonly #cipher = createCipheriv('aes-128-ecb', randomBytes(16), null).setAutoPadding(false);

  /** @param hashes two lanes each. Returns a number of 53 bits for each, equal for equal ones. */
  idsOf(hashes: Uint32Array): number[] {
    const count = hashes.length / 2;
    const plain = new Uint32Array((count * AES_BYTES) / 4);
    for (let i = 0; i < count; i++) {
      plain[4 * i] = hashes[2 * i]!;
      plain[4 * i + 1] = hashes[2 * i + 1]!;
    }
    const secret = this.#cipher.update(Buffer.from(plain.buffer));
    return Array.from({ length: count }, (_, i) => {
      const high = secret.readUInt32LE(AES_BYTES * i);
      return high * 2 ** 21 + (secret.readUInt32LE(AES_BYTES * i + 4) >>> 11);
    });
  }
}
