/** The composition root of `warmroute serve`: every part is made, joined and stopped here. */
import { randomInt, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type CacheState, createCacheState } from './cache/cache-state.ts';
import { binding, hostAndPort } from './composition/addresses.ts';
import { createConfirmations } from './composition/confirming.ts';
import { startConsole } from './composition/console.ts';
import { createDecisionLog, createDryRuns } from './composition/deciding.ts';
import { startDiscovery } from './composition/discovering.ts';
import { readEngineAccess } from './composition/engine-access.ts';
import { createEngineMetrics, shownWithAge } from './composition/engine-loads.ts';
import { createExactTokens } from './composition/exact-tokens.ts';
import { openGrpcPorts } from './composition/grpc-ports.ts';
import { measureWorth } from './composition/measuring-worth.ts';
import { createReadPath } from './composition/read-path.ts';
import { type Phase, readinessIn } from './composition/readiness.ts';
import { recordTraffic } from './composition/recording.ts';
import { rollOut } from './composition/rolling-out.ts';
import { createComparisonTokenizer, createTokenizer } from './composition/tokenizing.ts';
import { Warmup } from './composition/warmup.ts';
import { type Config, type Environment, processEnvironment, usesEvents } from './config.ts';
import { endpointOf } from './domain.ts';
import { HealthPoller, type HealthPollerOptions } from './engine-api/health-poller.ts';
import { Engines } from './engines/engines.ts';
import { type PodKeeper, PodLives } from './engines/pod-lives.ts';
import { EventFeed, type FeedFact, type PublisherReport } from './events/event-feed.ts';
import type { ExchangeOptions } from './extproc/exchange.ts';
import { PodsHealth } from './health/pods-health.ts';
import { Listeners } from './listeners.ts';
import { startAdmin } from './ops/admin/admin.ts';
import { decisionRoutes } from './ops/admin/decision-routes.ts';
import { statusRoutes } from './ops/admin/status-routes.ts';
import { reportConfirmations } from './ops/confirmation-report.ts';
import { reportFamilies, shownWith } from './ops/families/families.ts';
import { reportFeed, reportRejectedMessages } from './ops/feed-report.ts';
import { reportGrpc } from './ops/grpc-report.ts';
import { reportHealth, reportPort } from './ops/health-report.ts';
import { createInstruments } from './ops/instruments/instruments.ts';
import { reportKubernetes } from './ops/kubernetes-report.ts';
import type { Logger } from './ops/log/log.ts';
import { createLogThrottle } from './ops/log/log-throttle.ts';
import { createPodLog } from './ops/log/pod-log.ts';
import { createMetrics } from './ops/metrics/metrics.ts';
import { createObserver } from './ops/observed.ts';
import { reportProcess } from './ops/process-report.ts';
import {
  forgetUnservedModels,
  reportBodies,
  reportBuild,
  reportDiscovery,
  reportDoor,
  reportLog,
  reportPods,
  reportState,
  reportUnfollowed,
  reportUnnamed,
} from './ops/reports.ts';
import { reportScrapes } from './ops/scrape-report.ts';
import { exporterFor, startTelemetry, type TraceSink } from './ops/telemetry.ts';
import { reportTokenizer } from './ops/tokenizer-report.ts';
import { traceTokenizerCalls } from './ops/tokenizer-spans.ts';
import { reportZones } from './ops/zone-report.ts';
import { PodRegistry } from './pods/registry.ts';
import { BlockHasher } from './prompt/blocks.ts';
import { KnownBodies } from './prompt/known/known-bodies.ts';
import { pathRules } from './prompt/paths.ts';
import type { Tokenizer } from './prompt/tokenizer.ts';
import { Load } from './routing/load.ts';
import { ResponseOwners } from './routing/response-owners.ts';
import { TokenWork } from './routing/work/token-work.ts';
import { SETTINGS } from './settings/settings.ts';
import { asksFor } from './strategies.ts';
import { monotonicClock } from './time.ts';
import { VERSION } from './version.ts';

export interface ServeParts {
  readonly log: Logger;
  /** Default: as the configuration says. */
  readonly traces?: TraceSink;
  /** Default: as the configuration says. Closed with the server. */
  readonly tokenizer?: Tokenizer;
  /** Log lines that could not be written so far. */
  readonly logLinesDropped?: () => number;
  /** Ends the start: `serve` rejects with its reason, and nothing is left. Without effect afterwards. */
  readonly ending?: AbortSignal;
  /** What is drawn by: uniform in [0, 1). Default: Math.random. */
  readonly random?: () => number;
  /** What leads to the Kubernetes API. Default: the process's. */
  readonly environment?: Environment;
}

export interface RunningServer {
  readonly grpcPort: number;
  /** undefined where health has no port of its own. */
  readonly healthPort: number | undefined;
  readonly adminPort: number;
  /** What is believed about the engines' caches; for tests. */
  readonly cache: CacheState;
  /** What is followed, and how far. */
  publishers(): readonly PublisherReport[];
  /** Drains and stops: nothing of the server is left afterwards. */
  stop(): Promise<void>;
}

/** Starts the server. Rejects when pods cannot be known or an address cannot be bound; then nothing is left. */
export async function serve(config: Config, parts: ServeParts): Promise<RunningServer> {
  const { log } = parts;
  const stops: (() => unknown)[] = [];
  let phase: Phase = 'starting';
  /** Once there is a server that has a health. */
  let showHealth = () => {};
  try {
    return await start();
  } catch (error) {
    await stopAll();
    throw error;
  }

  /** In the reverse order of starting, so that what is left keeps the requests under way going. */
  async function stopAll(): Promise<void> {
    for (const stop of stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        log.error({ err: error }, 'a part did not stop cleanly');
      }
    }
  }

  async function start(): Promise<RunningServer> {
    const usesKvEvents = usesEvents(config.mode);
    const telemetry = startTelemetry({
      serviceName: config.serviceName,
      exporter: await exporterFor(parts.traces ?? traceSink(config)),
    });
    stops.push(() => telemetry.stop());
    const metrics = createMetrics(shownWith(config.metricFamilies));
    const instruments = createInstruments(metrics);
    const throttle = createLogThrottle(log);
    const unexpected = (consequence: string) => (error: unknown) => {
      instruments.unexpected.add(1);
      throttle.error(consequence, { err: error }, `unexpected error; ${consequence}`);
    };
    stops.push(reportProcess(instruments));

    const registry = new PodRegistry(unexpected('the other parts got the change'));
    const hasher = new BlockHasher(config.hashSeed ?? randomInt(0x100000000));
    const cache = createCacheState({
      capacityBytes: config.indexCapacityBytes,
      historyEntries: config.historyBlocks,
      historyTtlMs: usesKvEvents ? config.expectedBlocksTtlMs : config.historyMs,
      seed: randomInt(0x100000000),
    });
    const work = new TokenWork(monotonicClock);
    const feedReport = reportFeed(metrics, instruments, log);
    const facts = new Listeners<FeedFact>();
    facts.add(fact => feedReport.hear(fact));
    const feed = new EventFeed({
      cache,
      hasher,
      topic: config.kvEventsTopic,
      ...(config.kvEventsBind && { mode: { kind: 'bind', addresses: config.kvEventsBind } as const }),
      onFact: fact => facts.tell(fact),
      onComputed: (pod, blocks, blockSizeTokens) => work.announced(pod, blocks, blockSizeTokens),
      onRejected: reportRejectedMessages(instruments, log),
      onUnexpected: unexpected('the event stream goes on'),
    });
    stops.push(() => feed.stop());
    if (usesKvEvents) await binding(SETTINGS.kvEventsBind, feed.listen());
    const access = await readEngineAccess(config);
    const scheme = config.tokenizerEndpointTemplate?.startsWith('https:') ? 'https' : 'http';
    const engines = new Engines({
      cache,
      feed,
      dials: config.kvEventsBind === undefined,
      scheme,
      access,
      log,
      onPort: reportPort(log),
    });
    stops.push(() => engines.stop());
    facts.add(fact => engines.hear(fact));
    const warmup = new Warmup({
      maxMs: usesKvEvents ? config.warmupMs : 0,
      isLearned: () => feed.progress.settled === feed.progress.publishers && !engines.isAsking,
      onOver: why => {
        log.info({ why, ...feed.progress }, 'warm-up is over');
        showHealth();
      },
    });
    stops.push(() => warmup.stop());
    facts.add(fact => {
      if (fact.kind === 'state' || fact.kind === 'link') warmup.check();
    });

    const tokenizerReport = reportTokenizer(instruments, log);
    const around = traceTokenizerCalls(telemetry.tracer);
    const asked = { onCall: tokenizerReport.hear, around };
    const otherwise = parts.tokenizer ?? createTokenizer(config, access, asked);
    const exact = createExactTokens(config, {
      ...{ registry, otherwise, engines: () => createComparisonTokenizer(config, access, asked) },
      ...{ instruments, log, random: parts.random ?? Math.random },
      onUnexpected: unexpected('tokens computed here were not compared'),
    });
    const tokenizer = exact?.tokenizer ?? otherwise;
    stops.push(() => tokenizer.close());
    facts.add(fact => {
      if (fact.kind === 'forgotten' && fact.why === 'restart') exact?.restarted(fact.pod);
    });
    const load = new Load();
    const responses = new ResponseOwners({
      maxResponses: config.rememberedResponses,
      now: monotonicClock,
      onManyStreamed: async pod => {
        if (!(await engines.keepsNoResponses(pod))) return;
        responses.keepsNone(pod);
        log.info({ pod: pod.name }, 'the engine keeps no responses; they are not followed for some time');
      },
    });
    const confirmationReport = reportConfirmations(instruments, log, doubt => exact?.doubted(doubt));
    const confirmations = usesKvEvents
      ? createConfirmations({ cache, feed, facts, report: confirmationReport })
      : undefined;
    const healthReport = reportHealth(instruments, log);
    const health = new PodsHealth({
      onChange(change) {
        healthReport.changed(change);
        // What it held went with the weights; the engine says so only when it wakes.
        if (change.to !== 'sleeping') return;
        engines.emptied(change.pod);
        confirmations?.interrupted(change.pod.name);
      },
      onFailure: healthReport.failed,
    });
    const poller = createPoller({
      ...{ intervalMs: config.healthIntervalMs, scheme, ca: access.ca },
      onFact: (pod, fact, tookMs) => {
        health.polled(pod, fact);
        healthReport.polled(pod, fact, health.stateOf(pod), tookMs);
        // Its process is gone, and with it what was expected there.
        if (fact.kind === 'poll_refused' && health.stateOf(pod) === 'failing') cache.history.forget(pod.name);
      },
    });
    stops.push(() => poller?.stop());
    const scrapeReport = reportScrapes(instruments, log);
    const engineMetrics = createEngineMetrics(config, {
      ...{ scheme, ca: access.ca, report: scrapeReport, work },
    });
    stops.push(() => engineMetrics.stop());
    const decisions = createDecisionLog(config);
    const recorded = recordTraffic(config, { instruments, log });
    stops.push(() => recorded?.stop());
    const worth = measureWorth(config, {
      ...{ metrics, instruments, engineMetrics, recorder: recorded?.recorder },
      random: parts.random ?? Math.random,
    });
    const rollout = rollOut(config, { instruments, worth: worth.report, log });
    const observed = createObserver({
      ...{ tracer: telemetry.tracer, instruments, log, usesKvEvents, zone: config.zone, decisions },
      worth: worth.report,
    });
    const bodies: KnownBodies = new KnownBodies(
      config.knownBodiesBytes,
      reportBodies(instruments, () => bodies.bytes),
    );
    const { route, dryRun } = createReadPath(config, {
      ...{ bodies, observed, registry, cache, hasher, tokenizer, health, load, work, responses },
      ...{ engineMetrics, confirmations, worth, rollout, recorder: recorded?.recorder },
    });

    const isReady = () => readinessIn(phase, { registry, warmup, feed, discovery });
    const page = startConsole({
      ...{ usesKvEvents, isReady, registry, health, load, engineMetrics, feed, facts, cache, instruments },
      ...{ version: VERSION, decisions, onUnexpected: unexpected('the console goes on') },
    });
    stops.push(() => page.stop());

    // Who builds on another stands behind it.
    const keepers: readonly PodKeeper[] = [
      createPodLog(log),
      { left: pod => load.forget(pod) },
      { left: pod => work.forget(pod) },
      { left: pod => cache.purge(pod.name) },
      health,
      { left: pod => healthReport.left(pod) },
      responses,
      { joined: pod => poller?.follow(pod), left: pod => poller?.leave(pod.name) },
      scrapeReport,
      { joined: pod => engineMetrics.follow(pod), left: pod => engineMetrics.leave(pod.name) },
      { joined: pod => feedReport.joined(pod.name), left: pod => feedReport.left(pod.name) },
      { joined: pod => tokenizerReport.joined(pod.name), left: pod => tokenizerReport.left(pod.name) },
      exact?.keeper ?? {},
      { left: pod => confirmations?.left(pod), changed: () => confirmations?.retain(m => registry.knows(m)) },
      usesKvEvents ? engines : {},
      page,
      { changed: () => forgetUnservedModels(metrics, registry) },
      reportZones({ own: config.zone, penaltyMs: config.zonePenaltyMs }, registry, log),
      {
        changed() {
          if (registry.ready) warmup.check();
          showHealth();
        },
      },
    ];
    const lives = new PodLives(registry, keepers, unexpected('the other parts get the change'));
    stops.push(() => lives.stop());
    const kubernetesReport = reportKubernetes(instruments, log);
    const discovery = await startDiscovery(config, {
      ...{ registry, scheme, access, environment: parts.environment ?? processEnvironment() },
      ...(parts.ending && { ending: parts.ending }),
      ...reportPods(instruments, log),
      onWatchFact: kubernetesReport.hear,
      onProgress: () => showHealth(),
    });
    stops.push(() => discovery.stop());

    const exchange: ExchangeOptions = {
      maxBodyBytes: config.maxBodyBytes,
      debugHeaders: config.debugHeaders ? 'allowed' : 'off',
      targetHeaders: config.targetHeaders,
      ruleOf: pathRules(config.allowedPaths, () => responses.followsAny),
      destinationEndpoints: config.fallbackEndpoints,
      priorityHeader: config.priorityHeader,
      serverOf: (picked, servedBy) => health.serverOf(picked, servedBy),
      models: () => registry.models(),
      watchNext: () => health.watchNext(),
      sampleNext: worth.sampleNext,
      steeringOf: rollout.steeringOf,
      keepsSession: text => asksFor('session-affinity', text, config.strategy),
      newRequestId: randomUUID,
    };
    const status = statusRoutes({
      metrics: ({ response }) => metrics.answer(response),
      version: VERSION,
      isReady: () => readinessIn(phase, { registry, warmup, feed, discovery }),
      models: () => registry.models(),
      publishers: () => [
        ...engines.snapshot(),
        ...feed.unfollowed.map(pod => ({ pod, state: 'not_followed' })),
      ],
      tokenizers: () => exact?.shown() ?? [],
      pods: () =>
        registry.pods().map(pod => ({
          ...{ pod: pod.name, endpoint: endpointOf(pod), model: pod.model, zone: pod.zone },
          ...(registry.isUnready(pod.name) && { unready: true }),
          ...health.reportOf(pod),
          inFlight: load.running(pod),
          tokenizer: tokenizerReport.stateOf(pod.name),
          ...confirmations?.countsOf(pod.name),
          ports: engines.portsOf(pod.name),
          engine: shownWithAge(engineMetrics.shownLoadOf(pod.name)),
        })),
    });
    const admin = await binding(
      SETTINGS.adminAddress,
      startAdmin({
        ...hostAndPort(config.adminAddress),
        operators: config.adminDebug ? 'everyone' : 'loopback',
        hosts: config.adminHosts ?? [],
        routes: [
          ...page.routes,
          ...status,
          ...decisionRoutes({
            recent: (filter, limit) => decisions.recent(filter, limit),
            defaultMode: config.unsaidBodyMode,
            dryRun: createDryRuns({ config, exchange, health, decide: dryRun }),
          }),
        ],
      }),
    );
    stops.push(() => admin.stop());
    parts.ending?.throwIfAborted();

    const grpc = await openGrpcPorts({
      config,
      extProc: {
        route,
        unsaidMode: config.unsaidBodyMode,
        bodyDeadlineMs: {
          STREAMED: Math.min(config.decisionTimeoutMs, config.bodyTimeoutMs),
          FULL_DUPLEX_STREAMED: config.bodyTimeoutMs,
        },
        maxBufferedBytes: config.maxBufferedBytes,
        exchange,
        onFact: reportDoor(instruments, log),
        onUnexpected: unexpected('the request went on unrouted'),
      },
      report: reportGrpc(instruments, log),
      ending: parts.ending,
    });
    stops.push(() => grpc.stop());
    showHealth = () => {
      const { ready } = readinessIn('serving', { registry, warmup, feed, discovery });
      grpc.setReadiness(ready ? 'SERVING' : 'NOT_SERVING');
    };
    showHealth();
    reportDiscovery(instruments, () => ({
      file: discovery.fileStaleness(),
      kubernetes: kubernetesReport.staleMs(),
    }));
    reportLog(instruments, parts.logLinesDropped);
    reportBuild(instruments, VERSION);
    reportUnfollowed(instruments, feed);
    reportUnnamed(instruments, discovery);
    reportState(metrics, instruments, {
      cache,
      indexCapacityBytes: config.indexCapacityBytes,
      registry,
      load,
      health,
      portsOf: pod => engines.portsOf(pod),
      responses,
      grpc: grpc.extProc,
      publishers: () => feed.snapshot(),
      usesKvEvents,
    });
    reportFamilies(metrics, config.metricFamilies, {
      instruments,
      pods: () => registry.pods(),
      running: pod => load.running(pod),
      engineLoad: pod => engineMetrics.shownLoadOf(pod.name),
      indexBlocks: () => cache.index.size().blocks,
      tokenizers: config.mode.kind === 'local' ? 'local' : 'engines',
      pool: config.inferencePool?.name ?? DEFAULT_POOL,
      gatewayPod: hostname(),
    });
    phase = 'serving';

    let stopped: Promise<void> | undefined;
    return {
      grpcPort: grpc.extProc.port,
      healthPort: grpc.healthPort,
      adminPort: admin.port,
      cache,
      publishers: () => feed.snapshot(),
      stop() {
        phase = 'stopping';
        stopped ??= stopAll();
        return stopped;
      },
    };
  }
}

/** What llm-d's metrics call the pods where no InferencePool gives them a name. */
const DEFAULT_POOL = 'warmroute';

/** undefined: no pod is asked how it is. */
function createPoller(options: HealthPollerOptions): HealthPoller | undefined {
  return options.intervalMs === 0 ? undefined : new HealthPoller(options);
}

function traceSink(config: Config): TraceSink {
  return config.otlpEndpoint === undefined
    ? { kind: 'none' }
    : { kind: 'otlp', protocol: config.otlpProtocol };
}
