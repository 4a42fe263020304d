import { webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Whom a certificate is for: host names and IP addresses. */
export type SubjectNames = readonly string[];

export interface KeyAndCertificate {
  readonly cert: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
/** Longer than a process lives. Who dials a self-signed server does not look at its certificate. */
const VALID_YEARS = 10;
const DAY_MS = 86_400_000;
/** For clocks that are behind. */
const BACKDATED_MS = DAY_MS;
const COMMON_NAME = '2.5.4.3';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** Of GeneralName, RFC 5280, section 4.2.1.6. */
const [DNS_NAME, IP_ADDRESS] = [2, 7] as const;
const SERIAL_NUMBER_BYTES = 16;

/** A new key, and a certificate for it that it has signed itself. Both PEM. */
export async function createSelfSigned(names: SubjectNames, now: number): Promise<KeyAndCertificate> {
  // Only who serves with one pays for loading them.
  const { AttributeTypeAndValue, Certificate, Extension, GeneralName, GeneralNames } = await import('pkijs');
  const { Integer, OctetString, Utf8String } = await import('asn1js');
  const { subtle } = webcrypto;
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const name = new AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new Utf8String({ value: 'warmroute' }),
  });
  const alternatives = names.map(each => {
    const address = addressBytes(each);
    return address === undefined
      ? new GeneralName({ type: DNS_NAME, value: each })
      : new GeneralName({ type: IP_ADDRESS, value: new OctetString({ valueHex: address }) });
  });

  const certificate = new Certificate({ version: 2 });
  certificate.serialNumber = new Integer({ valueHex: serialNumber() });
  certificate.subject.typesAndValues.push(name);
  certificate.issuer.typesAndValues.push(name);
  certificate.notBefore.value = new Date(now - BACKDATED_MS);
  certificate.notAfter.value = new Date(now + VALID_YEARS * 365 * DAY_MS);
  certificate.extensions = [
    new Extension({
      extnID: SUBJECT_ALTERNATIVE_NAME,
      critical: false,
      extnValue: new GeneralNames({ names: alternatives }).toSchema().toBER(),
    }),
  ];
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  await certificate.sign(keys.privateKey, 'SHA-256');
  const der = certificate.toSchema(true).toBER();
  return {
    cert: new X509Certificate(Buffer.from(der)).toString(),
    key: pemOf(await subtle.exportKey('pkcs8', keys.privateKey)),
  };
}

/** Positive, which is what its first bits say. */
function serialNumber(): ArrayBuffer {
  const bytes = webcrypto.getRandomValues(new Uint8Array(SERIAL_NUMBER_BYTES));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.buffer;
}

/** undefined for a host name. */
function addressBytes(name: string): ArrayBuffer | undefined {
  if (isIP(name) === 0) return undefined;
  if (isIP(name) === 4) return Uint8Array.from(name.split('.'), Number).buffer;
  const [head, tail] = name.split('::').map(half => half.split(':').filter(group => group !== ''));
  const groups = [...head!, ...Array(8 - head!.length - (tail?.length ?? 0)).fill('0'), ...(tail ?? [])];
  return new Uint8Array(
    groups.map(group => Number.parseInt(group, 16)).flatMap(group => [group >> 8, group & 0xff]),
  ).buffer;
}

function pemOf(pkcs8: ArrayBuffer): string {
  const lines =
    Buffer.from(pkcs8)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}
