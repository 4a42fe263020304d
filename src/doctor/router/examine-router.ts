/** What the running router says of itself on its admin port. */
import { printable } from '../../printable.ts';
import { type Asked, type Asker, adminAsker, jsonOf, parsedJson } from '../asking.ts';
import { type Finding, ok, type Section, skip } from '../finding.ts';
import { routerProblem } from './problems.ts';

export interface RouterSource {
  /** undefined: the configuration leaves the port open. */
  readonly base: URL | undefined;
  /** `asked_for`: that nothing listens there is a failure and no matter of course. */
  readonly why: 'configured' | 'asked_for';
  /** Of this program. */
  readonly version: string;
  readonly timeoutMs: number;
}

/** Of a thousand pods. */
const MAX_PAGE_BYTES = 16 << 20;
const MAX_SHOWN = 20;
/** Fewer predictions say nothing. */
const LEAST_JUDGED = 20;
const MAX_UNCONFIRMED = 0.2;

export async function examineRouter(source: RouterSource, signal: AbortSignal): Promise<Section> {
  const { base, timeoutMs } = source;
  if (base === undefined) {
    const findings = [
      skip('router', 'WARMROUTE_ADMIN_ADDRESS leaves its port open: give it with --admin URL'),
    ];
    return { kind: 'router', name: '', detail: '', findings };
  }
  const asker = adminAsker({ base, timeoutMs, signal, maxAnswerBytes: MAX_PAGE_BYTES });
  try {
    const readiness = await asker.get('/readyz');
    const findings =
      readiness.kind === 'answered'
        ? await findingsFrom(asker, readiness, source)
        : [absent(readiness.reason, source)];
    return { kind: 'router', name: base.host, detail: '', findings };
  } finally {
    await asker.close();
  }
}

function absent(reason: string, { why }: RouterSource): Finding {
  return why === 'asked_for'
    ? routerProblem('router_unreadable', `GET /readyz: ${reason}`)
    : skip('router', `no router runs at the configured admin address: ${reason}`);
}

async function findingsFrom(
  asker: Asker,
  readiness: Asked & { kind: 'answered' },
  source: RouterSource,
): Promise<Finding[]> {
  const why = member(parsedJson(readiness.text), 'why');
  const [version, pods, publishers] = await Promise.all([
    asker.get('/version'),
    asker.get('/debug/pods'),
    asker.get('/debug/publishers'),
  ]);
  const running = member(jsonOf(version), 'version');
  if (typeof why !== 'string' || typeof running !== 'string')
    return [
      routerProblem('router_unreadable', `GET /readyz: ${readiness.status}, and not as a router answers`),
    ];
  return [
    readiness.status === 200
      ? ok('readiness', 'ready')
      : routerProblem('router_not_ready', printable(why, 120)),
    running === source.version
      ? ok('router_version', running)
      : routerProblem('router_version', `${printable(running, 40)} runs, and this is ${source.version}`),
    ...page(publishers, 'publishers', checkPublishers),
    ...page(pods, 'pods', checkPods),
  ];
}

/** The debug pages are for clients on the same host. */
function page(
  asked: Asked,
  name: 'pods' | 'publishers',
  check: (all: readonly unknown[]) => Finding[],
): Finding[] {
  const all = member(jsonOf(asked), name);
  if (Array.isArray(all)) return check(all);
  const why = asked.kind === 'answered' ? `it is answered ${asked.status}` : asked.reason;
  return [
    skip(
      name === 'pods' ? 'pods_health' : 'publishers',
      `/debug/${name}: ${why}; it is for clients on the router’s host (kubectl port-forward, WARMROUTE_ADMIN_DEBUG)`,
    ),
  ];
}

function checkPublishers(all: readonly unknown[]): Finding[] {
  const others = all.filter(each => member(each, 'state') !== 'live');
  if (others.length === 0) return [ok('publishers', `${all.length} are live`)];
  const shown = others.map(each => {
    const [pod, rank, state, why] = ['pod', 'rank', 'state', 'why'].map(name => textOf(member(each, name)));
    return `${pod}${rank === '' ? '' : ` rank ${rank}`}: ${state}${why === '' ? '' : ` (${why})`}`;
  });
  return [routerProblem('publishers_not_live', `${others.length} of ${all.length}: ${listOf(shown)}`)];
}

function checkPods(all: readonly unknown[]): Finding[] {
  const failing = all.filter(each => ['failing', 'sleeping'].includes(textOf(member(each, 'health'))));
  const doubted = all.flatMap(each => {
    const [confirmed, unconfirmed] = [
      numberOf(member(each, 'confirmed')),
      numberOf(member(each, 'unconfirmed')),
    ];
    const judged = confirmed + unconfirmed;
    if (judged < LEAST_JUDGED || unconfirmed / judged <= MAX_UNCONFIRMED) return [];
    return [`${textOf(member(each, 'pod'))}: ${unconfirmed} of ${judged}`];
  });
  return [
    failing.length === 0
      ? ok('pods_health', `none of ${all.length} pods fails`)
      : routerProblem(
          'pods_failing',
          `${failing.length} of ${all.length}: ${listOf(failing.map(each => textOf(member(each, 'pod'))))}`,
        ),
    ...(doubted.length === 0 ? [] : [routerProblem('unconfirmed', listOf(doubted))]),
  ];
}

function listOf(texts: readonly string[]): string {
  const more = texts.length - MAX_SHOWN;
  return `${texts.slice(0, MAX_SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? printable(value, 60) : typeof value === 'number' ? String(value) : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}
