/** TLS on the gRPC port, and what of it goes together. */
import { type Setting, setting } from './setting.ts';
import { anyText, choice } from './values.ts';

const TLS_KINDS = ['off', 'self-signed', 'files'] as const;

export type TlsKind = (typeof TLS_KINDS)[number];

export const TLS = {
  tls: setting(
    'Warmroute',
    ['WARMROUTE_TLS'],
    // Depends on other settings: `defaultTls`.
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

/** Gateways dial the endpoint pickers of an InferencePool by TLS only, and do not verify it. */
export function defaultTls(settings: object): TlsKind {
  const { discovery = [] } = settings as { readonly discovery?: readonly string[] };
  return discovery.includes('inference-pool') ? 'self-signed' : 'off';
}

type FileKey = Exclude<keyof typeof TLS, 'tls'>;

const OWN_FILES = ['tlsCertFile', 'tlsKeyFile'] as const;

/**
 * Files that are missing, and those that are not used: a certificate that is set and not served would leave plain text where TLS was
 * meant.
 */
export function tlsProblems(
  settings: { readonly tls: TlsKind } & { readonly [Key in FileKey]: string | undefined },
): string[] {
  const { tls } = settings;
  const [kind] = TLS.tls.names;
  if (tls === 'files') {
    return OWN_FILES.filter(key => settings[key] === undefined).map(
      key => `${kind} is files: give ${TLS[key].names[0]} the path of a PEM file`,
    );
  }
  const unused: readonly FileKey[] = tls === 'off' ? [...OWN_FILES, 'tlsClientCaFile'] : OWN_FILES;
  return unused
    .filter(key => settings[key] !== undefined)
    .map(key => {
      const [name] = TLS[key].names;
      const meant = key === 'tlsClientCaFile' ? 'self-signed or files' : 'files';
      return `${name} is set, but ${kind} is ${tls}: set it to ${meant}, or unset ${name}`;
    });
}
