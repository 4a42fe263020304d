import type { EngineTemplate } from './engine-templates.ts';
import { type Finding, finding } from './finding.ts';
import { at } from './kube-object.ts';

/** Where Warmroute has from what engines hold. */
export type CacheSource = 'events' | 'history';

const KV_EVENTS = 'model.aibrix.ai/kv-events-enabled';
const EVENTS_OPTION = '--kv-events-config';
/** What discovery takes for granted where `kv-events-enabled` is true. */
const EVENTS_PORT = 5_557;
const REPLAY_PORT = 5_558;

/** What the engine publishes, and whether discovery knows it by the labels. */
export function eventFindings(
  { about, labels, annotations, command }: EngineTemplate,
  source: CacheSource,
): Finding[] {
  const label = labels[KV_EVENTS] ?? annotations[KV_EVENTS];
  const config = jsonAfter(EVENTS_OPTION, command);
  if (config === undefined && command.includes(EVENTS_OPTION)) {
    return [
      finding(
        'first',
        about,
        `its ${EVENTS_OPTION} cannot be read here: see docs/events.md for what it must say`,
      ),
    ];
  }
  const isOn = config !== undefined && at(config, 'enable_kv_cache_events') !== false;
  if (!isOn) {
    if (label === 'true') {
      const text = `has the label ${KV_EVENTS}, but its command does not turn events on (${EVENTS_OPTION}): it announces nothing (docs/events.md)`;
      return [finding('first', about, text)];
    }
    return source === 'events'
      ? [
          finding(
            'first',
            about,
            'announces no KV-cache events: with KV event sync nothing is known of what it holds (docs/events.md)',
          ),
        ]
      : [
          finding(
            'kept',
            about,
            'announces no KV-cache events: what it holds is known from what was routed to it',
          ),
        ];
  }
  const port = portOf(at(config, 'endpoint'));
  const replayPort = portOf(at(config, 'replay_endpoint'));
  const findings: Finding[] = [];
  if (replayPort === undefined) {
    findings.push(
      finding(
        'differs',
        about,
        'has no replay_endpoint: a lost message costs all that is known of it (docs/events.md)',
      ),
    );
  }
  const isUsual = port === EVENTS_PORT && (replayPort ?? REPLAY_PORT) === REPLAY_PORT;
  if (label === 'true' && !isUsual) {
    findings.push(
      finding(
        'first',
        about,
        `publishes on ${port ?? '?'} and replays on ${replayPort ?? '?'}, not on ${EVENTS_PORT} and ${REPLAY_PORT}: annotate its pods with warmroute.dev/kv-events-port: "${port ?? ''}"${replayPort === undefined ? '' : ` and warmroute.dev/replay-port: "${replayPort}"`}`,
      ),
    );
  }
  if (label === undefined) {
    findings.push(
      finding(
        'differs',
        about,
        `announces events without the label ${KV_EVENTS}: AIBrix does not follow it. Warmroute asks it where they are, which vLLM says since 0.31; for an older one set the label`,
      ),
    );
  }
  if (findings.length === 0) {
    const text =
      source === 'events'
        ? 'its events are followed'
        : 'announces events, which are followed with AIBRIX_USE_REMOTE_TOKENIZER and AIBRIX_KV_EVENT_SYNC_ENABLED';
    findings.push(finding('kept', about, text));
  }
  return findings;
}

/** The JSON object that follows an option, in quotes or not; undefined: there is none. */
function jsonAfter(option: string, command: string): unknown {
  const start = command.indexOf(option);
  if (start < 0) return undefined;
  const rest = command.slice(start + option.length);
  const open = /^[\s=]*['"]?\{/.exec(rest)?.[0].length;
  if (open === undefined) return undefined;
  let depth = 0;
  for (let i = open - 1; i < rest.length; i++) {
    if (rest[i] === '{') depth++;
    else if (rest[i] === '}' && --depth === 0) {
      try {
        return JSON.parse(rest.slice(open - 1, i + 1).replaceAll('\\"', '"'));
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}

function portOf(endpoint: unknown): number | undefined {
  const [, port] = /:(\d+)$/.exec(String(endpoint ?? '')) ?? [];
  return port === undefined ? undefined : Number(port);
}
