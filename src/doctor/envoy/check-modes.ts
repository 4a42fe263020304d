/** Whether the router gets to see what it needs of requests and responses. */
import { type Finding, ok, skip } from '../finding.ts';
import type { RouterFilter } from './envoy-config.ts';
import { field, isTrue, list, text } from './json.ts';
import { envoyProblem } from './problems.ts';

/** `ProcessingMode`, with Envoy's defaults. */
interface Modes {
  readonly requestBody: string;
  readonly requestTrailers: string;
  readonly responseHeaders: string;
  readonly responseBody: string;
  readonly responseTrailers: string;
}

/** What the router asks for with `mode_override` where bodies are BUFFERED (`extproc/request-side.ts`, `exchange.ts`), and why. */
const WANTED: readonly { readonly modes: Partial<Modes>; readonly without: string }[] = [
  {
    modes: {
      ...{ requestBody: 'NONE', responseBody: 'NONE' },
      ...{ requestTrailers: 'SKIP', responseHeaders: 'SKIP', responseTrailers: 'SKIP' },
    },
    without: 'bodies of paths that are not routed are held all the same',
  },
  {
    modes: { requestBody: 'BUFFERED', responseBody: 'NONE', responseHeaders: 'SEND' },
    without:
      'the router sees no answers: it does not notice failing pods by them, and debug headers do not show',
  },
  {
    modes: { requestBody: 'BUFFERED', responseBody: 'STREAMED', responseHeaders: 'SEND' },
    without: 'requests that continue a response of /v1/responses do not find its pod',
  },
];

export function requestBodyMode(config: unknown): string {
  return modesOf(field(config, 'processing_mode')).requestBody;
}

export function checkProcessingMode({ config }: RouterFilter): Finding[] {
  const mode = field(config, 'processing_mode');
  const modes = modesOf(mode);
  const { requestBody } = modes;
  const findings: Finding[] = [];
  if (text(mode, 'request_header_mode') === 'SKIP')
    findings.push(envoyProblem('body_not_sent', 'request_header_mode is SKIP'));
  const isWaitedFor =
    requestBody === 'BUFFERED' ||
    requestBody === 'FULL_DUPLEX_STREAMED' ||
    (requestBody === 'STREAMED' && isTrue(config, 'send_body_without_waiting_for_header_response'));
  // From STREAMED and NONE the router asks for BUFFERED.
  const mayBeAsked =
    ['STREAMED', 'NONE'].includes(requestBody) &&
    isAllowed(config, modes, { requestBody: 'BUFFERED', responseBody: 'NONE' });
  if (!isWaitedFor && !mayBeAsked)
    findings.push(envoyProblem('body_not_sent', `request_body_mode is ${requestBody}`));
  if (requestBody === 'FULL_DUPLEX_STREAMED' && modes.requestTrailers !== 'SEND')
    findings.push(
      envoyProblem(
        'body_not_sent',
        'request_body_mode is FULL_DUPLEX_STREAMED without request_trailer_mode SEND',
      ),
    );
  const staysOpen = requestBody === 'BUFFERED' || requestBody === 'STREAMED';
  const seesResponse =
    modes.responseHeaders === 'SEND' || modes.responseTrailers === 'SEND' || modes.responseBody !== 'NONE';
  if (!staysOpen && !seesResponse)
    findings.push(envoyProblem('end_unseen', `${requestBody}, and nothing of the response`));
  return findings.length > 0
    ? findings
    : [ok('processing_mode', `request ${requestBody}, response ${modes.responseBody}`)];
}

export function checkModeOverride({ config }: RouterFilter): Finding[] {
  const modes = modesOf(field(config, 'processing_mode'));
  if (modes.requestBody !== 'BUFFERED') return [skip('mode_override', 'not asked for in this mode')];
  // What the router is shown in any case it does not ask for.
  const wanted = WANTED.filter(
    ({ modes: each }) =>
      each.responseHeaders !== 'SEND' ||
      (modes.responseBody === 'NONE' && modes.responseHeaders !== 'SEND') ||
      (each.responseBody === 'STREAMED' && modes.responseBody === 'NONE'),
  );
  const dropped = wanted.filter(({ modes: each }) => !isAllowed(config, modes, each));
  if (dropped.length === 0) return [ok('mode_override', 'what the router asks for is allowed')];
  return dropped.map(({ modes: { requestBody, responseBody, responseHeaders }, without }) =>
    envoyProblem(
      'override_not_allowed',
      `request body ${requestBody}, response headers ${responseHeaders}, response body ${responseBody}: ${without}`,
    ),
  );
}

/** Envoy compares the mode that would be in force, the request headers' aside; body modes are taken literally. */
function isAllowed(config: unknown, base: Modes, override: Partial<Modes>): boolean {
  if (!isTrue(config, 'allow_mode_override')) return false;
  const allowed = list(config, 'allowed_override_modes');
  const effective = { ...base, ...override };
  return allowed.length === 0 || allowed.some(each => isSame(modesOf(each), effective));
}

function isSame(one: Modes, other: Modes): boolean {
  return (Object.keys(one) as (keyof Modes)[]).every(key => one[key] === other[key]);
}

function modesOf(mode: unknown): Modes {
  const of = (name: string, unsaid: string) => {
    const said = text(mode, name);
    return said === undefined || said === 'DEFAULT' ? unsaid : said;
  };
  return {
    requestBody: of('request_body_mode', 'NONE'),
    requestTrailers: of('request_trailer_mode', 'SKIP'),
    responseHeaders: of('response_header_mode', 'SEND'),
    responseBody: of('response_body_mode', 'NONE'),
    responseTrailers: of('response_trailer_mode', 'SKIP'),
  };
}
