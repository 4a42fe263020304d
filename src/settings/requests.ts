/** What requests may ask for, and how long they and their bodies may take. */
import { type Setting, setting } from './setting.ts';
import {
  choice,
  MAX_BUFFERED_BYTES,
  MAX_COUNT,
  MAX_MESSAGE_BYTES,
  MAX_TIMER_MS,
  wholeNumber,
} from './values.ts';

export const REQUESTS = {
  allowedPaths: setting(
    'Warmroute',
    ['WARMROUTE_ALLOWED_PATHS'],
    'public',
    'paths',
    choice(['public', 'engine_internal']),
    'Which paths clients may ask for. `public`: `/v1/load_lora_adapter`, `/v1/unload_lora_adapter` and the render endpoints are answered 403. `engine_internal`: these as well; adapters are loaded on the one pod that Envoy chooses. docs/paths.md has the table.',
  ),
  unsaidBodyMode: setting(
    'Warmroute',
    ['WARMROUTE_UNSAID_BODY_MODE'],
    'BUFFERED',
    'mode',
    choice(['BUFFERED', 'FULL_DUPLEX_STREAMED']),
    'How proxies send bodies that do not say so (no `protocol_config`): Envoy before 1.34, and others. `FULL_DUPLEX_STREAMED` for inference gateways among them: it is what the endpoint picker protocol asks for, and cannot be distinguished from `BUFFERED` before the headers must be answered.',
  ),
  maxBodyBytes: setting(
    'Warmroute',
    ['WARMROUTE_MAX_BODY_BYTES'],
    '33554432',
    'bytes',
    wholeNumber(1024, MAX_MESSAGE_BYTES),
    'Larger request bodies, also after decoding, are answered 413. Keep it equal to the buffer limit of Envoy (`per_connection_buffer_limit_bytes`).',
  ),
  bodyTimeoutMs: setting(
    'Warmroute',
    ['WARMROUTE_BODY_TIMEOUT_MS'],
    '30000',
    'ms',
    wholeNumber(1, MAX_TIMER_MS),
    'FULL_DUPLEX_STREAMED: how long a body may take to come in. After that the request is routed by load and the rest of the body passes through. (STREAMED: `WARMROUTE_DECISION_TIMEOUT_MS`, since Envoy waits no longer.)',
  ),
  maxBufferedBytes: setting(
    'Warmroute',
    ['WARMROUTE_MAX_BUFFERED_BYTES'],
    '268435456',
    'bytes',
    wholeNumber(1024, MAX_BUFFERED_BYTES),
    'Memory for the bodies of all requests together while they are gathered and decided on. Above it those that have been coming for longest are routed by load, and the rest of them passes through.',
  ),
  rememberedResponses: setting(
    'Warmroute',
    ['WARMROUTE_REMEMBERED_RESPONSES'],
    '65536',
    'responses',
    wholeNumber(0, MAX_COUNT),
    'How many responses of `/v1/responses` it is remembered of which pod made them, some 200 bytes each: requests that name one go to that pod. 0: none, and answers are not looked at.',
  ),
  decisionTimeoutMs: setting(
    'Warmroute',
    ['WARMROUTE_DECISION_TIMEOUT_MS'],
    '800',
    'ms',
    wholeNumber(1, MAX_TIMER_MS),
    'After this long the request is routed by load. Keep it below `message_timeout` of Envoy (1 s in `envoy/`).',
  ),
} as const satisfies Record<string, Setting<unknown>>;
