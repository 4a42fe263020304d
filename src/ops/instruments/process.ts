/** The process itself. `process_*` have the names that every exporter has for them. */
import { gauge, histogram, total } from './instrument.ts';

/** What is slept through is seen if it is longer than the time between two looks, see `watchEventLoop`. */
const EVENT_LOOP_SECONDS = [...[1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]];

export const PROCESS_METRICS = {
  build: gauge('warmroute_build_info', {
    unit: 'flag',
    labels: { version: { names: 'the version of Warmroute' }, node: { names: 'the version of Node' } },
    help: 'Which program this is: always 1, to be joined by dashboards',
    bad: 'Several versions at a time, but for a rollout.',
  }),
  eventLoopLag: histogram('warmroute_event_loop_lag_seconds', {
    unit: 'seconds',
    help: 'By how much timers are late: what is done at once keeps requests and probes waiting so long',
    bad: 'A p99 above 50 ms: the one thread is too busy; see docs/operations.md, “Sizing”.',
    buckets: EVENT_LOOP_SECONDS,
  }),
  eventLoopBusy: total('warmroute_event_loop_busy_seconds_total', {
    unit: 'seconds',
    help: 'Time that the event loop was not waiting: its rate is the share of the one thread in use',
    bad: 'A rate above 0.7: queues form in bursts; scale out.',
  }),
  cpuSeconds: total('process_cpu_seconds_total', {
    unit: 'seconds',
    help: 'Processor time, user and system',
    bad: 'A rate at the CPU limit: the container is throttled, which shows as lag of the event loop.',
  }),
  residentBytes: gauge('process_resident_memory_bytes', {
    unit: 'bytes',
    help: 'Resident memory',
    bad: 'Near `warmroute_memory_limit_bytes`: the kernel ends the process.',
  }),
  memoryLimit: gauge('warmroute_memory_limit_bytes', {
    unit: 'bytes',
    help: 'Memory that the process may have: the limit of its container, or the memory of the machine',
    bad: 'None; it is there to compare with.',
  }),
  heapBytes: gauge('warmroute_heap_bytes', {
    unit: 'bytes',
    help: 'JavaScript heap in use, what is not yet collected included',
    bad: 'Near `warmroute_heap_limit_bytes` after collections: the process ends itself.',
  }),
  heapLimit: gauge('warmroute_heap_limit_bytes', {
    unit: 'bytes',
    help: 'Most that the JavaScript heap may grow to (--max-old-space-size)',
    bad: 'None; it is there to compare with.',
  }),
  startTime: gauge('process_start_time_seconds', {
    unit: 'seconds',
    help: 'When the process started, since the epoch',
    bad: 'Changes without a rollout: it crashed, or was ended for its memory or its probes.',
  }),
  logLinesDropped: total('warmroute_log_lines_dropped_total', {
    unit: 'lines',
    help: 'Log lines that standard output did not take: unread, closed, or on a full disk',
    bad: 'Any: what the log says is not all that happened.',
  }),
};
