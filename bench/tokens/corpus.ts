/** The text that conversations are about: English prose and code, this project's own, in the order of its files. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = ['docs/*.md', 'src/**/*.ts', 'test/**/*.ts'];

/** Gives one piece after the other; begins anew, at another place, when all is given. */
export class Corpus {
  readonly #text = FILES.flatMap(files => globSync(files, { cwd: ROOT }).sort())
    .map(file => readFileSync(ROOT + file, 'utf8'))
    .join('\n');
  #at = 0;
  #rounds = 0;

  /** Whether all was given, so that what comes next is not new. */
  get isUsedUp(): boolean {
    return this.#rounds > 0;
  }

  /** @param length in UTF-16 units */
  take(length: number): string {
    if (this.#at + length > this.#text.length) {
      this.#rounds++;
      this.#at = this.#rounds * 101;
    }
    this.#at += length;
    return this.#text.slice(this.#at - length, this.#at).toWellFormed();
  }
}
