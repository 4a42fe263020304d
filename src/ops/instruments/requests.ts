/** Requests on their way through Envoy's door, up to the reply. */
import type { ClientError } from '../../domain.ts';
import type { ConnectionFailure } from '../../extproc/connections.ts';
import type { DoorFact } from '../../extproc/stream.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { CALL_SECONDS, MODEL } from './labels.ts';

type Undecided = Extract<DoorFact, { kind: 'undecided' }>['why'];
type Abandoned = Extract<DoorFact, { kind: 'abandoned' }>['during'];

export const REQUEST_METRICS = {
  receiveSeconds: histogram('warmroute_receive_seconds', {
    unit: 'seconds',
    help: 'Time from the first message of a request to its decision being asked for: the body coming in',
    bad: 'Seconds: clients upload slowly, or Envoy waits for buffers; above `WARMROUTE_BODY_TIMEOUT_MS` requests go by load.',
    buckets: CALL_SECONDS,
  }),
  bodyBytes: counter('warmroute_body_bytes_total', {
    unit: 'bytes',
    labels: { from: allOf<'known' | 'parsed'>()('known', 'parsed') },
    help: 'Bytes of bodies of 8 KiB and more: those of messages and tools that an earlier body had (`known`), or parsed',
    bad: 'Little `known` where clients have conversations: raise `WARMROUTE_KNOWN_BODIES_BYTES`.',
  }),
  knownBodyBytes: gauge('warmroute_known_body_bytes', {
    unit: 'bytes',
    help: 'Messages and tools that are kept of parsed bodies',
    bad: 'At `WARMROUTE_KNOWN_BODIES_BYTES`, with little `known` in `warmroute_body_bytes_total`: it is too small.',
  }),
  rejections: counter('warmroute_rejections_total', {
    unit: 'requests',
    labels: {
      kind: allOf<ClientError['kind']>()(
        ...(['malformed_body', 'unknown_model', 'bad_strategy', 'no_ready_pod', 'no_allowed_pod'] as const),
        ...(['bad_filter', 'path_refused', 'body_too_large', 'shed'] as const),
      ),
    },
    help: 'Requests answered with an error, by kind',
    bad: '`no_ready_pod`: there is no pod for a model that clients ask for. The others are mistakes of clients: a sudden rise tells of a new client, or of a model that went.',
  }),
  answers: counter('warmroute_answers_total', {
    unit: 'requests',
    labels: { what: allOf<'models'>()('models') },
    help: 'Requests answered by the router itself, by what with',
    bad: 'None.',
  }),
  passed: counter('warmroute_passed_total', {
    unit: 'requests',
    labels: { model: MODEL },
    help: 'Requests left to the routes of Envoy, since none asked for a strategy',
    bad: 'None, where no strategy is configured on purpose.',
  }),
  undecided: counter('warmroute_undecided_total', {
    unit: 'requests',
    labels: { why: allOf<Undecided>()('late_body', 'buffers_full', 'body_out_of_reach') },
    help: 'Requests that went on without a pick, by why',
    bad: 'Any: Envoy balances them itself. `body_out_of_reach`: Envoy neither buffers bodies nor lets the router ask for it (`request_body_mode`, `allow_mode_override`).',
  }),
  abandoned: counter('warmroute_abandoned_requests_total', {
    unit: 'requests',
    labels: { during: allOf<Abandoned>()('body', 'decision') },
    help: 'Requests whose ext_proc stream ended before they had their reply, by what was under way',
    bad: '`decision`: a steady share means that Envoy gives up first: its `message_timeout` is below `WARMROUTE_DECISION_TIMEOUT_MS`, and it fails open or closed.',
  }),
  refusedConnections: counter('warmroute_refused_connections_total', {
    unit: 'connections',
    help: 'gRPC connections refused, as there were too many',
    bad: 'Any: some Envoy has no router. Raise `WARMROUTE_GRPC_MAX_CONNECTIONS`, or find who opens them.',
  }),
  failedConnections: counter('warmroute_failed_connections_total', {
    unit: 'connections',
    labels: {
      port: allOf<'grpc' | 'health'>()('grpc', 'health'),
      why: allOf<ConnectionFailure['why']>()(
        ...(['tls', 'plain_text', 'no_client_certificate', 'client_certificate', 'handshake'] as const),
      ),
    },
    help: 'Connections to the gRPC ports that came to nothing, by port and why: the wrong protocol, a failed TLS handshake',
    bad: 'Any for long: an Envoy or a probe is set up for the other protocol, or has no certificate that is trusted here.',
  }),
  certificateReloads: counter('warmroute_tls_reloads_total', {
    unit: 'reloads',
    labels: { outcome: allOf<'taken' | 'kept'>()('taken', 'kept') },
    help: 'Times that the TLS files had changed, by whether they were taken or what was before was kept',
    bad: '`kept`: the new files cannot be used, and what is served ends soon.',
  }),
  certificateSeconds: gauge('warmroute_tls_certificate_seconds_left', {
    unit: 'seconds',
    help: 'Time until the TLS certificate that is served ends; negative afterwards',
    bad: 'Less than a week: it is not renewed. Negative: clients that verify it refuse to connect. No series: the port is plain text.',
  }),
  streams: gauge('warmroute_extproc_streams', {
    unit: 'streams',
    help: 'Open ext_proc streams',
    bad: 'One per request in flight; far more than that: an Envoy does not end its streams.',
  }),
  bufferedBytes: gauge('warmroute_buffered_body_bytes', {
    unit: 'bytes',
    help: 'Memory of the request bodies that are held',
    bad: 'Near `WARMROUTE_MAX_BUFFERED_BYTES`: bodies are let go, and their requests go by load (`buffers_full`).',
  }),
  unexpected: counter('warmroute_unexpected_errors_total', {
    unit: 'errors',
    help: 'Errors that should never happen; the request went on unrouted',
    bad: 'Any: a fault of Warmroute, with a stack in the log.',
  }),
};
