import type { Medium } from './kv-event.ts';

// A number may follow each.
const CPU = /^(CPU|HOST|DRAM|RAM|PINNED)\d*$/;
/** As engines and connectors call what is neither memory of the GPU nor of the CPU. */
const STORAGE = /^(STORAGE|DISK|FS|FILE|NFS|OBJ|OBJECT|S3|EXTERNAL|SSD|HDD|NVME|GDS)\d*$/;
/** SGLang's, whose events say all that a block is made of: tokens, and the salt where there is one. */
const SGLANG = /^(CPU_\w+|DISK|EXTERNAL)$/;

/** What a medium's name says. */
export interface NamedMedium {
  readonly medium: Medium;
  /** An event about it leaves nothing out: without extra keys its blocks have none. */
  readonly tellsContext: boolean;
}

/** By an engine's name of it, whatever its case. Names that nobody has heard of are no tier, and never the GPU. */
export function mediumOf(name: string): NamedMedium {
  const upper = name.toUpperCase();
  return { medium: placeOf(upper), tellsContext: SGLANG.test(upper) };
}

function placeOf(name: string): Medium {
  const words = name.split(/[^A-Z0-9]+/);
  if (words.includes('REMOTE')) return 'unknown';
  if (words.length === 1 && words[0] === 'GPU') return 'gpu';
  if (words.some(word => CPU.test(word))) return 'cpu';
  return words.some(word => STORAGE.test(word)) ? 'storage' : 'unknown';
}
