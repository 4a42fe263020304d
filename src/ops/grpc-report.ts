import type { ConnectionFailure } from '../extproc/connections.ts';
import { wallClock } from '../time.ts';
import type { FollowedIdentity, IdentityFact } from '../tls/server-identity.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle } from './log/log-throttle.ts';

/** What the gRPC ports report, as metrics and log lines. */
export interface GrpcReport {
  /** A connection beyond the most that there may be. */
  readonly refused: () => void;
  readonly failed: (failure: ConnectionFailure) => void;
  readonly failedOnHealthPort: (failure: ConnectionFailure) => void;
  readonly identity: (fact: IdentityFact) => void;
  /** The certificate that is served, for as long as the process lives. */
  readonly serves: (identity: Pick<FollowedIdentity, 'certificate'>) => void;
}

const FAILED: Readonly<Record<ConnectionFailure['why'], string>> = {
  tls: 'a client speaks TLS to the gRPC port, which is plain text: set WARMROUTE_TLS, or have the client speak plain text',
  plain_text:
    'a client speaks plain text to the gRPC port, which has TLS: have it speak TLS, or set WARMROUTE_TLS=off; for probes there is WARMROUTE_HEALTH_ADDRESS',
  no_client_certificate:
    'a client is refused: it has no certificate, and WARMROUTE_TLS_CLIENT_CA_FILE asks for one',
  client_certificate:
    'a client is refused: its certificate is not one of WARMROUTE_TLS_CLIENT_CA_FILE, or out of date',
  handshake: 'a TLS handshake has failed',
};

export function reportGrpc(instruments: Instruments, log: Logger): GrpcReport {
  const throttle = createLogThrottle(log);
  const failed = (port: 'grpc' | 'health', messages: typeof FAILED) => (failure: ConnectionFailure) => {
    const { why, code, from } = failure;
    instruments.failedConnections.add(1, { port, why });
    throttle.warn(`${port} ${why} ${code}`, { from, ...(code !== undefined && { code }) }, messages[why]);
  };
  return {
    refused() {
      instruments.refusedConnections.add(1);
      throttle.warn('refused', {}, 'gRPC connections are refused: WARMROUTE_GRPC_MAX_CONNECTIONS are open');
    },
    failed: failed('grpc', FAILED),
    failedOnHealthPort: failed('health', {
      ...FAILED,
      tls: 'a client speaks TLS to the health port, which is always plain text',
    }),
    identity(fact) {
      if (fact.kind === 'kept') {
        instruments.certificateReloads.add(1, { outcome: 'kept' });
        log.error(
          { problem: fact.problem },
          'the TLS files have changed and cannot be used; what was read before is served',
        );
        return;
      }
      const { serialNumber, subject, endsAt } = fact.certificate;
      const fields = { serialNumber, subject, ends: new Date(endsAt).toISOString() };
      if (fact.kind === 'changed') {
        instruments.certificateReloads.add(1, { outcome: 'taken' });
        log.info(fields, 'the TLS files have changed; new connections get what is in them');
      } else if (fact.kind === 'ends_soon') {
        log.warn(
          fields,
          'the TLS certificate ends soon: renew it; its files are read again when they change',
        );
      } else {
        log.error(fields, 'the TLS certificate has ended: clients that verify it refuse to connect');
      }
    },
    serves: identity =>
      instruments.certificateSeconds.onScrape(set => set((identity.certificate.endsAt - wallClock()) / 1000)),
  };
}
