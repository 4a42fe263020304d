import { cpus, release, totalmem, type } from 'node:os';

/** What the figures were taken on, in one line. */
export function machineLine(): string {
  const [cpu] = cpus();
  const gigabytes = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} × ${cpu?.model.trim()}, ${gigabytes} GiB, ${type()} ${release()}, Node ${process.version}`;
}
