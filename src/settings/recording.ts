/** Recordings of traffic: docs/record.md. */
import { type Setting, setting } from './setting.ts';
import { anyText, MAX_BUFFERED_BYTES, wholeNumber } from './values.ts';

export const RECORDING = {
  recordFile: setting(
    'Warmroute',
    ['WARMROUTE_RECORD_FILE'],
    undefined,
    'path',
    anyText,
    'Records each request that asks for a pod as a line of JSON in this file, in Mooncake’s trace format with the decision and what came of it, for `warmroute simulate` and `warmroute history`. Nothing of prompts but salted hashes: [record.md](record.md). Its folder must be there; each replica needs a file of its own. Unset: nothing is recorded.',
  ),
  recordMaxBytes: setting(
    'Warmroute',
    ['WARMROUTE_RECORD_MAX_BYTES'],
    '268435456',
    'bytes',
    wholeNumber(65_536, MAX_BUFFERED_BYTES),
    'With `WARMROUTE_RECORD_FILE`: a file that has no room for the next line becomes `.1`, the one before it `.2`, and so on, and a new one is begun. Prompts of two files have no ids in common.',
  ),
  recordFiles: setting(
    'Warmroute',
    ['WARMROUTE_RECORD_FILES'],
    '4',
    'files',
    wholeNumber(1, 1_000),
    'With `WARMROUTE_RECORD_FILE`: how many files there are at the most, the one that is written among them; the oldest is removed.',
  ),
  recordBlockTokens: setting(
    'Warmroute',
    ['WARMROUTE_RECORD_BLOCK_TOKENS'],
    '512',
    'tokens',
    wholeNumber(1, 65_536),
    'With `WARMROUTE_RECORD_FILE`: how many tokens of a prompt each of its ids stands for. 512 is what Mooncake’s format has and others’ tools expect; what two prompts share of the block in which they part is not seen, 256 tokens on average. The engines’ block size, mostly 16, shows all that a cache could share, at some 18 bytes a block.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
