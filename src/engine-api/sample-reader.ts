/**
 * Reads a few samples out of an engine's metrics (Prometheus text, https://prometheus.io/docs/instrumenting/exposition_formats),
 * which may be megabytes: part by part as they come, and of lines that nobody wants only the name.
 */

/** @param labels as they stand between the braces; '' where there are none */
export type OnSample = (value: number, labels: string) => void;

/** A longer line is of nothing that we read. */
const MAX_LINE_BYTES = 16_384;

export class SampleReader {
  readonly #wanted: ReadonlyMap<string, OnSample>;
  /** The beginning of a line whose end has not come. */
  #rest = '';
  #skipsLine = false;

  /** @param wanted by the name of the sample: what is to be told of it */
  constructor(wanted: ReadonlyMap<string, OnSample>) {
    this.#wanted = wanted;
  }

  push(part: Buffer): void {
    const text = this.#rest + part.toString('latin1');
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (!this.#skipsLine) this.#line(text, start, end);
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
    if (!this.#skipsLine) this.#line(this.#rest, 0, this.#rest.length);
    this.#rest = '';
  }

  #line(text: string, start: number, end: number): void {
    const nameEnd = endOfName(text, start, end);
    const tell = this.#wanted.get(text.slice(start, nameEnd));
    if (tell === undefined) return;
    const isLabelled = text[nameEnd] === '{';
    const labelsEnd = isLabelled ? text.lastIndexOf('}', end - 1) : nameEnd;
    if (labelsEnd < nameEnd) return;
    // A timestamp may follow.
    const [valueText = ''] = text
      .slice(isLabelled ? labelsEnd + 1 : nameEnd, end)
      .trim()
      .split(/\s/, 1);
    const value = Number(valueText);
    if (valueText === '' || !Number.isFinite(value)) return;
    tell(value, isLabelled ? text.slice(nameEnd + 1, labelsEnd) : '');
  }
}

function endOfName(text: string, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    // `{`, a space, or a tab.
    if (code === 0x7b || code === 0x20 || code === 0x09) return i;
  }
  return end;
}

/** One label's value, as UTF-8; undefined: there is no such label. */
export function labelOf(labels: string, name: string): string | undefined {
  for (const [, key, value] of labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (key !== name) continue;
    const text = Buffer.from(value!, 'latin1').toString('utf8');
    return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return undefined;
}
