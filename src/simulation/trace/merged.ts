import type { Trace, TraceRequest } from './trace-request.ts';

/** Several traces as one, by their timestamps, as if all their clients came at once. Of equal times the earlier trace is first. */
export function merged(traces: readonly Trace[]): Trace {
  return traces.length === 1 ? traces[0]! : { [Symbol.asyncIterator]: () => inOrder(traces) };
}

async function* inOrder(traces: readonly Trace[]): AsyncGenerator<TraceRequest> {
  const sources = traces.map(trace => trace[Symbol.asyncIterator]());
  const next = await Promise.all(sources.map(source => source.next()));
  try {
    for (;;) {
      let first = -1;
      for (let i = 0; i < next.length; i++) {
        const { done, value } = next[i]!;
        if (!done && (first < 0 || value.atMs < (next[first]!.value as TraceRequest).atMs)) first = i;
      }
      if (first < 0) return;
      yield next[first]!.value as TraceRequest;
      next[first] = await sources[first]!.next();
    }
  } finally {
    await Promise.all(sources.map(source => source.return?.()));
  }
}

/** The same requests, so many times as fast one after the other. */
export function atLoad(trace: Trace, factor: number): Trace {
  return factor === 1 ? trace : { [Symbol.asyncIterator]: () => faster(trace, factor) };
}

async function* faster(trace: Trace, factor: number): AsyncGenerator<TraceRequest> {
  for await (const request of trace) yield { ...request, atMs: request.atMs / factor };
}
