/** The routers themselves: processor, memory, index, connections. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, orZero, quantile, rate, series, share } from './promql.ts';

const BY_ROUTER = { by: ['instance'] } as const;
const most = (part: string) => `max(${part})`;
const ofIndex = share(
  gauge('max', METRICS.indexBytes, BY_ROUTER),
  gauge('max', METRICS.indexCapacity, BY_ROUTER),
);
const ofMemory = share(
  gauge('max', METRICS.residentBytes, BY_ROUTER),
  gauge('max', METRICS.memoryLimit, BY_ROUTER),
);
const ofHeap = share(gauge('max', METRICS.heapBytes, BY_ROUTER), gauge('max', METRICS.heapLimit, BY_ROUTER));

export const PROCESS: Board = {
  uid: 'warmroute-process',
  title: 'process',
  description:
    'The routers themselves: event loop, processor, memory, the index, and the connections of Envoy.',
  rows: {
    Now: [
      number('Routers', {
        about: METRICS.build,
        unit: 'short',
        alert: 'WarmrouteAbsent',
        queries: { routers: `count(${series(METRICS.build)})` },
      }),
      number('Youngest router', {
        about: METRICS.startTime,
        unit: 'dtdurations',
        alert: 'WarmrouteRestarts',
        queries: { age: `time() - ${gauge('max', METRICS.startTime)}` },
      }),
      number('Event loop lag p99', {
        about: METRICS.eventLoopLag,
        unit: 's',
        limits: { warn: 0.05, bad: 0.1 },
        alert: 'WarmrouteEventLoopLag',
        queries: { lag: most(quantile(0.99, METRICS.eventLoopLag, BY_ROUTER)) },
      }),
      number('Event loop busy', {
        about: METRICS.eventLoopBusy,
        unit: 'percentunit',
        limits: { warn: 0.5, bad: 0.7 },
        alert: 'WarmrouteEventLoopLag',
        queries: { busy: most(rate(METRICS.eventLoopBusy, BY_ROUTER)) },
      }),
      number('Memory', {
        about: METRICS.residentBytes,
        unit: 'percentunit',
        limits: { warn: 0.8, bad: 0.9 },
        alert: 'WarmrouteMemory',
        queries: { memory: most(ofMemory) },
      }),
      number('Heap', {
        about: METRICS.heapBytes,
        unit: 'percentunit',
        limits: { warn: 0.8, bad: 0.9 },
        alert: 'WarmrouteMemory',
        queries: { heap: most(ofHeap) },
      }),
      number('Index', {
        about: METRICS.indexBytes,
        unit: 'percentunit',
        limits: { warn: 0.8, bad: 0.9 },
        alert: 'WarmrouteIndexNearCapacity',
        queries: { index: most(ofIndex) },
      }),
      number('Unexpected errors', {
        about: METRICS.unexpected,
        unit: 'suffix: /s',
        alert: 'WarmrouteUnexpectedErrors',
        queries: { errors: orZero(rate(METRICS.unexpected)) },
      }),
    ],
    'Processor and memory': [
      lines('Event loop lag', {
        about: METRICS.eventLoopLag,
        unit: 's',
        limits: { warn: 0.05, bad: 0.1 },
        alert: 'WarmrouteEventLoopLag',
        queries: {
          '{{instance}} p50': quantile(0.5, METRICS.eventLoopLag, BY_ROUTER),
          '{{instance}} p99': quantile(0.99, METRICS.eventLoopLag, BY_ROUTER),
        },
      }),
      lines('Share of the one thread in use', {
        about: METRICS.eventLoopBusy,
        unit: 'percentunit',
        limits: { warn: 0.5, bad: 0.7 },
        alert: 'WarmrouteEventLoopLag',
        queries: { '{{instance}}': rate(METRICS.eventLoopBusy, BY_ROUTER) },
      }),
      lines('Processor', {
        about: METRICS.cpuSeconds,
        unit: 'short',
        queries: { '{{instance}}': rate(METRICS.cpuSeconds, BY_ROUTER) },
      }),
      lines('Resident memory', {
        about: METRICS.residentBytes,
        unit: 'bytes',
        alert: 'WarmrouteMemory',
        queries: {
          '{{instance}}': gauge('max', METRICS.residentBytes, BY_ROUTER),
          'limit of {{instance}}': gauge('max', METRICS.memoryLimit, BY_ROUTER),
        },
      }),
      lines('JavaScript heap', {
        about: METRICS.heapBytes,
        unit: 'bytes',
        alert: 'WarmrouteMemory',
        queries: {
          '{{instance}}': gauge('max', METRICS.heapBytes, BY_ROUTER),
          'limit of {{instance}}': gauge('max', METRICS.heapLimit, BY_ROUTER),
        },
      }),
      lines('Starts', {
        about: METRICS.startTime,
        unit: 'short',
        alert: 'WarmrouteRestarts',
        queries: {
          '{{instance}}': `sum by (instance) (changes(${series(METRICS.startTime)}[$__rate_interval]))`,
        },
      }),
    ],
    'The index': [
      lines('Memory of the index', {
        about: METRICS.indexBytes,
        unit: 'bytes',
        alert: 'WarmrouteIndexNearCapacity',
        queries: {
          '{{instance}}': gauge('max', METRICS.indexBytes, BY_ROUTER),
          'limit of {{instance}}': gauge('max', METRICS.indexCapacity, BY_ROUTER),
        },
      }),
      lines('Blocks and runs', {
        about: METRICS.indexBlocks,
        unit: 'short',
        queries: {
          'blocks of {{instance}}': gauge('max', METRICS.indexBlocks, BY_ROUTER),
          'runs of {{instance}}': gauge('max', METRICS.indexRuns, BY_ROUTER),
        },
      }),
      lines('Who holds what, by source', {
        about: METRICS.indexEntries,
        unit: 'short',
        queries: {
          '{{source}} of {{instance}}': gauge('max', METRICS.indexEntries, { by: ['source', 'instance'] }),
        },
      }),
      lines('Evicted for want of room', {
        about: METRICS.indexEvicted,
        unit: 'suffix: blocks/s',
        alert: 'WarmrouteIndexNearCapacity',
        queries: { '{{instance}}': rate(METRICS.indexEvicted, BY_ROUTER) },
      }),
      lines('Versions', {
        about: METRICS.build,
        unit: 'short',
        stacked: true,
        queries: {
          '{{version}}, Node {{node}}': `count by (version, node) (${series(METRICS.build)})`,
        },
      }),
      lines('Log lines dropped', {
        about: METRICS.logLinesDropped,
        unit: 'suffix: /s',
        queries: { '{{instance}}': rate(METRICS.logLinesDropped, BY_ROUTER) },
      }),
      lines('Recording: lines written and dropped', {
        about: METRICS.recordLinesDropped,
        unit: 'suffix: /s',
        queries: {
          'written by {{instance}}': rate(METRICS.recordedLines, BY_ROUTER),
          'dropped by {{instance}}': rate(METRICS.recordLinesDropped, BY_ROUTER),
        },
      }),
    ],
    Connections: [
      lines('Connections refused', {
        about: METRICS.refusedConnections,
        unit: 'suffix: /s',
        alert: 'WarmrouteFailingOpen',
        queries: { refused: orZero(rate(METRICS.refusedConnections)) },
      }),
      lines('Connections that came to nothing', {
        about: METRICS.failedConnections,
        unit: 'suffix: /s',
        queries: { '{{port}} {{why}}': rate(METRICS.failedConnections, { by: ['port', 'why'] }) },
      }),
      lines('Days until the certificate ends', {
        about: METRICS.certificateSeconds,
        unit: 'dtdurations',
        alert: 'WarmrouteCertificateExpires',
        queries: { '{{instance}}': gauge('min', METRICS.certificateSeconds, BY_ROUTER) },
      }),
      lines('Certificates read again', {
        about: METRICS.certificateReloads,
        unit: 'suffix: /s',
        queries: { '{{outcome}}': rate(METRICS.certificateReloads, { by: ['outcome'] }) },
      }),
    ],
  },
};
