/** TLS on the gRPC port. */
import { type Setting, setting } from './setting.ts';
import { anyText, choice } from './values.ts';

export const TLS_KINDS = ['off', 'self-signed', 'files'] as const;

export const TLS = {
  tls: setting(
    'Warmroute',
    ['WARMROUTE_TLS'],
    // Depends on other settings: config.ts.
    undefined,
    'kind',
    choice(TLS_KINDS),
    'What the gRPC port speaks. `off`: plain text, the default. `self-signed`: TLS with a certificate that is made at start, for gateways that dial by TLS and verify nothing, as Envoy AI Gateway and kgateway do; the default when `WARMROUTE_DISCOVERY` has `inference-pool`. `files`: TLS with a certificate of yours. [security.md](security.md#tls-on-the-grpc-port) says what each is worth.',
  ),
  tlsCertFile: setting(
    'Warmroute',
    ['WARMROUTE_TLS_CERT_FILE'],
    undefined,
    'path',
    anyText,
    'With `WARMROUTE_TLS=files`: PEM of the certificate, followed by those between it and its authority. Read again when it changes, together with the key: new connections get the new one, and those that are open go on. Files that cannot be used are logged, and change nothing.',
  ),
  tlsKeyFile: setting(
    'Warmroute',
    ['WARMROUTE_TLS_KEY_FILE'],
    undefined,
    'path',
    anyText,
    'With `WARMROUTE_TLS=files`: PEM of the certificate’s private key, without a passphrase.',
  ),
  tlsClientCaFile: setting(
    'Warmroute',
    ['WARMROUTE_TLS_CLIENT_CA_FILE'],
    undefined,
    'path',
    anyText,
    'With TLS: PEM of authorities. Clients without a certificate of one of them are refused, health checks on the gRPC port among them; for the kubelet’s there is `WARMROUTE_HEALTH_ADDRESS`. Read again when it changes. Unset: clients need no certificate.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
