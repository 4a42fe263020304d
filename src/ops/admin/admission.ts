/** Who may ask for what on the admin port. */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isLocalRequest, nameOf } from './loopback.ts';

/** `network`: scrapers and probes on other hosts, too; nothing that is served to them names a prompt, a tenant or an address. */
export type Audience = 'network' | 'operator';

export interface AdmissionRules {
  /** Where operators may ask from: this host, or wherever the port is reached from. */
  readonly operators: 'loopback' | 'everyone';
  /** Names of this host that a browser may use, besides the ones that it has anyway; `*` for any. */
  readonly hosts: readonly string[];
}

interface Asked {
  /** The client's address; undefined when it has gone. */
  readonly from: string | undefined;
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

const LOOPBACK_ONLY =
  'only served to clients on the same host; set WARMROUTE_ADMIN_DEBUG=true to serve it to all that reach this port';
const FOREIGN_HOST =
  'this is not a name of this host; list it in WARMROUTE_ADMIN_HOSTS if it is one, or ask by IP address';
const FOREIGN_ORIGIN = 'not served to pages of other sites';

/** Domains that nobody can register, and so cannot have resolve to this host. */
const PRIVATE_DOMAINS = ['.svc', '.local', '.internal', '.localhost'];

/**
 * Why a request is refused; undefined: it is not.
 *
 * Besides the client's address this looks at what browsers say, since an operator's browser reaches what its owner reaches: a page of
 * another site has its `Origin` or `Sec-Fetch-Site`, and one whose name was made to resolve to this host (DNS rebinding) has its own
 * name in `Host`.
 */
export function refusalOf(asked: Asked, audience: Audience, rules: AdmissionRules): string | undefined {
  if (audience === 'network') return undefined;
  const { host } = asked.headers;
  if (rules.operators === 'loopback' && !isLocalRequest(asked.from, host)) return LOOPBACK_ONLY;
  if (!isOwnName(host, rules.hosts)) return FOREIGN_HOST;
  return isForeign(asked) ? FOREIGN_ORIGIN : undefined;
}

function isOwnName(host: string | undefined, named: readonly string[]): boolean {
  if (host === undefined || named.includes('*')) return true;
  const name = nameOf(host).toLowerCase();
  if (name === '') return false;
  if (isIP(name) !== 0 || !name.includes('.')) return true;
  return (
    name === hostname().toLowerCase() ||
    named.some(each => each.toLowerCase() === name) ||
    PRIVATE_DOMAINS.some(domain => name.endsWith(domain))
  );
}

/** Following a link from another site is fine: that site learns nothing of the answer. */
function isForeign({ method, headers }: Asked): boolean {
  const { origin, host } = headers;
  if (origin !== undefined) return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return method !== 'GET' || headers['sec-fetch-mode'] !== 'navigate';
}
