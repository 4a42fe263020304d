import { z } from 'zod';
import { type ClearScope, type KvPublisher, MAX_RANKS, type PrefixReuse } from '../domain.ts';

/** What an engine says of itself over HTTP. Whatever it does not serve is undefined: other engines have other pages. */
export interface EngineProfile {
  readonly version: string | undefined;
  /** What it serves now: LoRA adapters, and names of its base model. */
  readonly models: { readonly adapters: readonly string[]; readonly names: readonly string[] } | undefined;
  readonly events: EventSources | undefined;
  readonly reuse: PrefixReuse;
}

/** Where it publishes, by its own account (`GET /kv_event_sources`, vLLM 0.31; `GET /server_info`, SGLang). */
export type EventSources =
  | { readonly kind: 'off' }
  | { readonly kind: 'on'; readonly publishers: readonly KvPublisher[] };

/** A page's status, and its body if that is JSON; undefined: no answer. */
export type Page = { readonly status: number; readonly body: unknown } | undefined;

/** The pages that a profile is made of. */
export const PROFILE_PAGES = {
  version: '/version',
  models: '/v1/models',
  sources: '/kv_event_sources',
  /** SGLang's, and vLLM's in development mode, which needs the parameter. */
  serverInfo: '/server_info?config_format=json',
} as const;

export type Pages = Readonly<Record<keyof typeof PROFILE_PAGES, Page>>;

/** More of an engine, or longer, is not kept: it may answer anything. */
const MAX_NAMES = 2_048;
const MAX_NAME_CHARACTERS = 512;

const name = z.string().max(MAX_NAME_CHARACTERS);
const versionSchema = z.object({ version: name });
/** vLLM gives an adapter a parent, the model that it adapts; a further name of the model has none. */
const modelSchema = z.object({ id: z.string(), parent: z.string().nullish() });
const modelsSchema = z.object({
  data: z
    .array(z.unknown())
    .transform(all => all.slice(0, MAX_NAMES))
    .pipe(z.array(modelSchema))
    // Whose child an adapter is does not matter.
    .transform(models =>
      models
        .filter(({ id }) => id.length <= MAX_NAME_CHARACTERS)
        .map(({ id, parent }) => ({ id, ...(parent != null && { parent: '' }) })),
    ),
});
/** By rank. */
const sourcesSchema = z
  .record(
    z.string().regex(/^(0|[1-9]\d{0,8})$/),
    z.object({
      enable_kv_cache_events: z.boolean(),
      publisher: name.nullish(),
      endpoint: name.nullish(),
      replay_endpoint: name.nullish(),
    }),
  )
  .refine(sources => Object.keys(sources).length <= MAX_RANKS);

/** SGLang's: rank r on the base plus r. vLLM has a page of that name as well, without this. */
const serverInfoSchema = z.object({
  kv_events: z
    .object({
      endpoint_port_base: z.int().min(1).max(65_535),
      replay_endpoint_port_base: z.int().min(1).max(65_535).nullish(),
      dp_size: z.int().min(1).max(MAX_RANKS).nullish(),
    })
    .nullable(),
});

/** vLLM's, of whose configuration it shows all. */
const speculationSchema = z.object({
  vllm_config: z.object({
    speculative_config: z.object({
      method: z.enum(['eagle', 'eagle3', 'mtp', 'dflash', 'dspark']),
      disable_eagle_block_drop: z.literal(false).nullish(),
    }),
  }),
});

const SCHEMAS = {
  version: [versionSchema],
  models: [modelsSchema],
  sources: [sourcesSchema],
  serverInfo: [serverInfoSchema, speculationSchema],
} as const satisfies Record<keyof Pages, readonly z.ZodType<object>[]>;

/** A page with nothing in it but what a profile is made of: pages are kept, and an engine may fill them with anything. */
export function readPage(what: keyof Pages, page: Page): Page {
  if (page === undefined) return undefined;
  const parts = SCHEMAS[what].flatMap(schema => bodyOf<object>(page, schema) ?? []);
  return { status: page.status, body: parts.length === 0 ? undefined : Object.assign({}, ...parts) };
}

export function readProfile(pages: Pages): EngineProfile {
  const models = bodyOf(pages.models, modelsSchema);
  const sources = bodyOf(pages.sources, sourcesSchema);
  const info = bodyOf(pages.serverInfo, serverInfoSchema);
  const speculation = bodyOf(pages.serverInfo, speculationSchema);
  return {
    version: bodyOf(pages.version, versionSchema)?.version,
    models: models && {
      adapters: models.data.filter(({ parent }) => parent != null).map(({ id }) => id),
      names: models.data.filter(({ parent }) => parent == null).map(({ id }) => id),
    },
    events: sources ? eventsOf(sources) : info && eventsIn(info),
    reuse: speculation ? 'all_but_last_block' : 'whole_prefix',
  };
}

function bodyOf<T>(page: Page, schema: z.ZodType<T>): T | undefined {
  return page?.status === 200 ? schema.safeParse(page.body).data : undefined;
}

function eventsOf(sources: z.infer<typeof sourcesSchema>): EventSources {
  const publishers = Object.entries(sources).flatMap(([rank, source]) => {
    const { endpoint, replay_endpoint } = source;
    if (!source.enable_kv_cache_events || source.publisher === 'null' || endpoint == null) return [];
    return [{ rank: Number(rank), port: boundPort(endpoint), replayPort: boundPort(replay_endpoint ?? '') }];
  });
  return publishers.length === 0 ? { kind: 'off' } : { kind: 'on', publishers };
}

function eventsIn({ kv_events: events }: z.infer<typeof serverInfoSchema>): EventSources {
  if (events === null) return { kind: 'off' };
  const { endpoint_port_base: port, replay_endpoint_port_base: replayPort, dp_size: ranks } = events;
  const publishers = Array.from({ length: ranks ?? 1 }, (_, rank) => ({
    rank,
    port: port + rank,
    replayPort: replayPort == null ? undefined : replayPort + rank,
  }));
  return publishers.some(each => each.port > 65_535 || (each.replayPort ?? 0) > 65_535)
    ? { kind: 'off' }
    : { kind: 'on', publishers };
}

/** vLLM binds where the address has a `*` or a `::`; to any other it connects. */
function boundPort(endpoint: string): number | undefined {
  const port = Number(/^tcp:\/\/.*(?:\*|::).*:(\d+)$/.exec(endpoint)?.[1]);
  return port >= 1 && port <= 65535 ? port : undefined;
}

/**
 * Whether a clear ends what is off the GPU, too. vLLM's resets left that alone until an option took it along (#27170), and
 * since then events do not say which it was. SGLang's always empty its host tiers. Where it is not known, less is claimed.
 */
export function clearScopeOf(profile: EngineProfile | undefined): ClearScope {
  const minor = minorOf(profile?.version);
  return minor >= FIRST_WITH_EVENTS && minor < FIRST_WITH_WIDE_CLEARS ? 'gpu' : 'everything';
}

/** Of vLLM, as what other engines are called by tells nothing. */
const FIRST_WITH_EVENTS = 9;
const FIRST_WITH_WIDE_CLEARS = 12;

/** The 11 of 0.11.2; infinite where that is not known. */
function minorOf(version: string | undefined): number {
  return Number(/^v?0\.(\d+)/.exec(version ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
}

/** Something that a publisher of this version cannot do, and what that means. */
export interface EngineLimit {
  readonly what:
    | 'no_events'
    | 'no_sources'
    | 'dials'
    | 'no_replay'
    | 'no_lora_name'
    | 'no_group_kind'
    | 'array_events';
  readonly means: string;
}

/** Since when vLLM has it (see `events/decoding/decoder.ts`). */
const SINCE: readonly (EngineLimit & { readonly minor: number })[] = [
  {
    what: 'no_lora_name',
    minor: 15,
    means: 'blocks of LoRA adapters are not named, so they are skipped and never matched',
  },
  {
    what: 'no_group_kind',
    minor: 20,
    means: 'of a hybrid model all KV-cache groups must hold a whole prefix, so less is claimed than is held',
  },
  { what: 'array_events', minor: 24, means: 'events are arrays, read by position; nothing is lost by it' },
];

/**
 * What is to be said of an engine once.
 * @param wanted how its event streams are followed: `asked`, where it says itself
 */
export function limitsOf(
  { version, events }: EngineProfile,
  wanted: { readonly asked: boolean; readonly dialled: boolean; readonly replayed: boolean },
): EngineLimit[] {
  const limits: EngineLimit[] = [];
  const publishers = events?.kind === 'on' ? events.publishers : [];
  if (events?.kind === 'off') {
    const means = 'KV-cache events are off (--kv-events-config): nothing is known of what it holds';
    limits.push({ what: 'no_events', means });
  }
  if (wanted.asked && events === undefined) {
    const means =
      'it does not say where it publishes (GET /kv_event_sources, since vLLM 0.31; SGLang’s /server_info): name its ports in kvEvents';
    limits.push({ what: 'no_sources', means });
  }
  if (wanted.dialled && publishers.some(({ port }) => port === undefined)) {
    const means =
      'it connects to its consumers, and none is heard: bind WARMROUTE_KV_EVENTS_BIND, or have it bind';
    limits.push({ what: 'dials', means });
  }
  if (!wanted.replayed || publishers.some(({ replayPort }) => replayPort === undefined)) {
    const means =
      'lost messages cannot be asked for again: after a gap or a restart its blocks are relearned';
    limits.push({ what: 'no_replay', means });
  }
  const minor = minorOf(version);
  for (const { minor: since, ...limit } of SINCE) if (minor < since) limits.push(limit);
  return limits;
}
