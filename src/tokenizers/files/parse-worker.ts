/** Parses the files of one model on a thread of its own; see `parseAside`. On the main thread it does nothing. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FileTexts } from './file-texts.ts';
import { parseFiles } from './parse.ts';

parentPort?.postMessage(parseFiles(workerData as FileTexts));
