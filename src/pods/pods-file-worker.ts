/** Parses one pods file on a thread of its own; see `parsePodsFileAside`. On the main thread it does nothing. */
import { parentPort, workerData } from 'node:worker_threads';
import { parsePodsFile } from './pods-file.ts';

parentPort?.postMessage(parsePodsFile(workerData as string));
