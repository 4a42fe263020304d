import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Registry } from 'prom-client';

/** Written between two turns of the event loop: well below a millisecond. */
const SAMPLES_A_TURN = 500;

/**
 * Writes metrics in Prometheus' text format, a part per turn of the event loop: prom-client writes all of them, or all samples of
 * one, in one go, which takes longer than a request may wait when there are a thousand pods.
 * @param prepare called once before each writing
 * @returns answers all who ask meanwhile with one text, in parts, which was begun after the first of them asked
 */
export function createExposition(registry: Registry, prepare: () => void): () => Promise<readonly Buffer[]> {
  let underWay: Promise<readonly Buffer[]> | undefined;
  let next: Promise<readonly Buffer[]> | undefined;

  async function write(): Promise<readonly Buffer[]> {
    try {
      prepare();
      const parts: Buffer[] = [];
      for (const { name } of registry.getMetricsAsArray()) {
        for await (const part of partsOf(registry, name)) parts.push(part);
      }
      return parts;
    } finally {
      underWay = undefined;
    }
  }

  return function text(): Promise<readonly Buffer[]> {
    if (next !== undefined) return next;
    if (underWay === undefined) {
      underWay = write();
      return underWay;
    }
    // What is under way may show what was before the caller asked.
    const begin = () => {
      next = undefined;
      return text();
    };
    next = underWay.then(begin, begin);
    return next;
  };
}

async function* partsOf(registry: Registry, name: string): AsyncGenerator<Buffer> {
  await nextTurn();
  const { help, type, values } = await registry.getSingleMetric(name)!.get();
  let part = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
  for (const [i, sample] of values.entries()) {
    if (i > 0 && i % SAMPLES_A_TURN === 0) {
      yield Buffer.from(part);
      part = '';
      await nextTurn();
    }
    const sampleName = 'metricName' in sample ? sample.metricName : undefined;
    part += `${sampleName ?? name}${labelsOf(sample.labels)} ${numberText(sample.value)}\n`;
  }
  yield Buffer.from(part);
}

function labelsOf(labels: Readonly<Record<string, string | number | undefined>>): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name];
    if (value === undefined) continue;
    const written = typeof value === 'string' ? escaped(value).replaceAll('"', '\\"') : value;
    text += `${text === '' ? '{' : ','}${name}="${written}"`;
  }
  return text === '' ? '' : `${text}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** JavaScript's and Prometheus' words differ for infinities alone. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
