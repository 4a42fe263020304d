import { type AsideBounds, AsideError, workAside, workerBeside } from '../aside.ts';
import type { ReadManifests } from './manifests.ts';

/** 16 MB of YAML take half a minute and 1.5 GB on a busy machine, of JSON a second. */
const DEFAULT_BOUNDS: AsideBounds = { timeoutMs: 60_000, maxHeapMb: 2_048 };

const WORKER = workerBeside(import.meta.url, 'manifests-worker');

/** As `readManifests`, bounded in time and memory. Rejects with the reason of `signal` when that is aborted, and with nothing else. */
export async function readManifestsAside(
  text: string,
  signal: AbortSignal,
  bounds: AsideBounds = DEFAULT_BOUNDS,
): Promise<ReadManifests> {
  try {
    return await workAside<ReadManifests>(WORKER, text, signal, bounds);
  } catch (error) {
    if (!(error instanceof AsideError)) throw error;
    return {
      objects: [],
      problems: [
        { place: 'the input', reason: `${error.message} (\`kubectl get -o json\` is quicker to read)` },
      ],
    };
  }
}
