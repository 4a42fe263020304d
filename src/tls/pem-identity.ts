import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { ServerIdentity } from '../extproc/tls-handshakes.ts';

/** What was read, and the names of the settings that say where. */
export interface PemText {
  readonly setting: string;
  readonly text: string;
}

export interface PemParts {
  readonly cert: PemText;
  readonly key: PemText;
  readonly clientCa: PemText | undefined;
}

/** What an operator knows a certificate by. */
export interface ShownCertificate {
  readonly serialNumber: string;
  readonly subject: string;
  /** By the wall clock, in milliseconds. */
  readonly beginsAt: number;
  readonly endsAt: number;
}

export interface CheckedIdentity {
  readonly identity: ServerIdentity;
  readonly certificate: ShownCertificate;
}

export type IdentityCheck =
  | ({ readonly kind: 'valid' } & CheckedIdentity)
  /** In words for the operator, never with what is in the key's file. */
  | { readonly kind: 'invalid'; readonly problem: string };

/** One certificate, as it stands in a file that may hold several, and comments between them. */
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Whether a server could serve with these. A certificate that is out of date is valid here. */
export function checkIdentity({ cert, key, clientCa }: PemParts): IdentityCheck {
  const chain = certificatesOf(cert.text);
  const [leaf] = chain ?? [];
  if (leaf === undefined) return invalid(`${cert.setting}: there is no PEM certificate in the file`);
  const privateKey = keyOf(key.text);
  if (privateKey === undefined) {
    return invalid(
      `${key.setting}: there is no PEM private key in the file that can be read without a passphrase`,
    );
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    return invalid(`the certificate of ${cert.setting} is not that of the key of ${key.setting}`);
  }
  if (clientCa !== undefined && !certificatesOf(clientCa.text)?.length) {
    return invalid(`${clientCa.setting}: there is no PEM certificate in the file`);
  }
  const identity = { cert: cert.text, key: key.text, clientCa: clientCa?.text };
  try {
    createSecureContext({ ...identity, ca: identity.clientCa });
  } catch (error) {
    return invalid(`${cert.setting}: TLS cannot be served with it: ${(error as Error).message}`);
  }
  return { kind: 'valid', identity, certificate: shown(leaf) };
}

function invalid(problem: string): IdentityCheck {
  return { kind: 'invalid', problem };
}

/** undefined if one of them cannot be read. */
function certificatesOf(text: string): readonly X509Certificate[] | undefined {
  try {
    return (text.match(CERTIFICATES) ?? []).map(pem => new X509Certificate(pem));
  } catch {
    return undefined;
  }
}

function keyOf(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

function shown({ serialNumber, subject, validFrom, validTo }: X509Certificate): ShownCertificate {
  return { serialNumber, subject, beginsAt: Date.parse(validFrom), endsAt: Date.parse(validTo) };
}
