/** What others may use of this folder: the events of one rank in, index writes out. */
export { type Applied, RankIngest, type RankIngestOptions } from './rank-ingest.ts';
