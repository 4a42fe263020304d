/**
 * Reads a few samples out of an engine's metrics (Prometheus text, https://prometheus.io/docs/instrumenting/exposition_formats),
 * which may be megabytes: part by part as they come, and of lines that nobody wants only the name.
 */

/** @param labels as they stand between the braces; '' where there are none */
export type OnSample = (value: number, labels: string) => void;

/** A longer line is of nothing that we read. */
const MAX_LINE_BYTES = 16_384;
/** No engine has counted further; what is computed from such values stays finite. */
const MAX_VALUE = Number.MAX_SAFE_INTEGER;

export class SampleReader {
  readonly #wanted: ReadonlyMap<string, OnSample>;
  /** The beginning of a line whose end has not come. */
  #rest = '';
  #skipsLine = false;

  /** @param wanted by the name of the sample: what is to be read of it */
  constructor(wanted: ReadonlyMap<string, OnSample>) {
    this.#wanted = wanted;
  }

  push(part: Buffer): void {
    const text = this.#rest + part.toString('latin1');
    // Each is searched once per text, not once per line: who writes the text chooses how long its lines are.
    let brace = text.indexOf('{');
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (brace >= 0 && brace < start) brace = text.indexOf('{', start);
      if (!this.#skipsLine)
        this.#line(text.slice(start, end), brace >= 0 && brace < end ? brace - start : -1);
      this.#skipsLine = false;
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length <= MAX_LINE_BYTES) return;
    this.#skipsLine = true;
    this.#rest = '';
  }

  /** The last line may have no end of its own. */
  end(): void {
    if (!this.#skipsLine) this.#line(this.#rest, this.#rest.indexOf('{'));
    this.#rest = '';
  }

  /** @param labelsAt -1: it has none */
  #line(line: string, labelsAt: number): void {
    if (line[0] === '#' || line.length > MAX_LINE_BYTES) return;
    const nameEnd = labelsAt >= 0 ? labelsAt : line.search(/\s|$/);
    const tell = this.#wanted.get(line.slice(0, nameEnd));
    if (tell === undefined) return;
    const labelsEnd = labelsAt >= 0 ? line.lastIndexOf('}') : nameEnd;
    if (labelsEnd < nameEnd) return;
    // A timestamp may follow.
    const [valueText = ''] = line
      .slice(labelsAt >= 0 ? labelsEnd + 1 : nameEnd)
      .trim()
      .split(/\s/, 1);
    const value = Number(valueText);
    if (valueText === '' || !(Math.abs(value) <= MAX_VALUE)) return;
    tell(value, labelsAt >= 0 ? line.slice(labelsAt + 1, labelsEnd) : '');
  }
}

/** One label's value, as UTF-8; undefined: there is no such label. */
export function labelOf(labels: string, name: string): string | undefined {
  // Names are looked for where words begin: a long word would else be read once from each of its letters.
  for (const [, key, value] of labels.matchAll(/\b([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (key !== name) continue;
    const text = Buffer.from(value!, 'latin1').toString('utf8');
    return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return undefined;
}
