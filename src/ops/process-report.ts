/** What the process takes of its machine, read at the scrape; and how late its event loop is. */
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { type Clock, monotonicClock } from '../time.ts';
import type { Instruments } from './instruments/instruments.ts';

/** A pause is seen if it outlasts what is left of this; what is shorter keeps nobody waiting for long. */
const LOOK_EVERY_MS = 50;

/** Returns how to end it. */
export function reportProcess(instruments: Instruments): () => void {
  const startedAt = (Date.now() - process.uptime() * 1_000) / 1_000;
  instruments.eventLoopBusy.onScrape(set => set(performance.eventLoopUtilization().active / 1_000));
  instruments.cpuSeconds.onScrape(set => {
    const { user, system } = process.cpuUsage();
    set((user + system) / 1e6);
  });
  instruments.residentBytes.onScrape(set => set(process.memoryUsage.rss()));
  instruments.memoryLimit.onScrape(set => set(memoryLimit()));
  instruments.heapBytes.onScrape(set => set(getHeapStatistics().used_heap_size));
  instruments.heapLimit.onScrape(set => set(getHeapStatistics().heap_size_limit));
  instruments.startTime.onScrape(set => set(startedAt));
  return watchEventLoop(lateMs => instruments.eventLoopLag.record(lateMs / 1_000));
}

/** The container's, or the machine's where it has none: then Node says 0, or more than there is. */
function memoryLimit(): number {
  const ofContainer = process.constrainedMemory();
  return ofContainer > 0 ? Math.min(ofContainer, totalmem()) : totalmem();
}

/**
 * Tells by how much each of its timers was late, in milliseconds. Node's own histogram of this cannot be summed over replicas, and
 * who resets it takes it from the others that read it.
 */
export function watchEventLoop(onLate: (ms: number) => void, now: Clock = monotonicClock): () => void {
  let dueAt = now() + LOOK_EVERY_MS;
  const timer = setInterval(() => {
    const at = now();
    onLate(Math.max(0, at - dueAt));
    dueAt = at + LOOK_EVERY_MS;
  }, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
