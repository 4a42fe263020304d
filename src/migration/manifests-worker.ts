/** Reads manifests on a thread of its own; see `readManifestsAside`. On the main thread it does nothing. */
import { parentPort, workerData } from 'node:worker_threads';
import { readManifests } from './manifests.ts';

parentPort?.postMessage(readManifests(workerData as string));
