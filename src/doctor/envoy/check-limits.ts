/** Whether Envoy waits long enough, and holds bodies that are large enough. */
import { type Finding, ok, skip } from '../finding.ts';
import { requestBodyMode } from './check-modes.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import type { EnvoyExpectations } from './expectations.ts';
import { milliseconds, number } from './json.ts';
import { envoyProblem } from './problems.ts';

/** Envoy's. */
const DEFAULT_MESSAGE_TIMEOUT_MS = 200;
const DEFAULT_BUFFER_BYTES = 1 << 20;

export function checkMessageTimeout(
  { config }: RouterFilter,
  _: EnvoyConfig,
  { decisionTimeoutMs }: EnvoyExpectations,
): Finding[] {
  const timeoutMs = milliseconds(config, 'message_timeout') ?? DEFAULT_MESSAGE_TIMEOUT_MS;
  if (requestBodyMode(config) === 'FULL_DUPLEX_STREAMED')
    return [skip('message_timeout', 'Envoy applies it to no message of a streamed body')];
  const saw = `${timeoutMs} ms; the router decides within ${decisionTimeoutMs} ms`;
  return [
    timeoutMs <= decisionTimeoutMs ? envoyProblem('message_timeout_short', saw) : ok('message_timeout', saw),
  ];
}

export function checkBufferLimit(
  { config, listener, routes }: RouterFilter,
  _: EnvoyConfig,
  { maxBodyBytes }: EnvoyExpectations,
): Finding[] {
  if (requestBodyMode(config) === 'FULL_DUPLEX_STREAMED')
    return [skip('buffer_limit', 'a streamed body has none')];
  const limit = number(listener, 'per_connection_buffer_limit_bytes') ?? DEFAULT_BUFFER_BYTES;
  const ofRoutes = routes.flatMap(({ name, route }) => {
    const own = number(route, 'request_body_buffer_limit') ?? number(route, 'per_request_buffer_limit_bytes');
    return own !== undefined && own < maxBodyBytes ? [`route ${name}: ${own} bytes`] : [];
  });
  const small = limit < maxBodyBytes ? [`the listener: ${limit} bytes`, ...ofRoutes] : ofRoutes;
  const taken = `the router takes bodies of ${maxBodyBytes} bytes`;
  return [
    small.length > 0
      ? envoyProblem('buffer_small', `${small.slice(0, 4).join(', ')}; ${taken}`)
      : ok('buffer_limit', `${limit} bytes; ${taken}`),
  ];
}
