/** An authority, and what it signs, made as they are needed. */
import { webcrypto, X509Certificate } from 'node:crypto';
import { Integer, OctetString, Utf8String } from 'asn1js';
import {
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  Extension,
  GeneralName,
  GeneralNames,
} from 'pkijs';

export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly serialNumber: string;
}

export interface Validity {
  readonly beginsAt: number;
  readonly endsAt: number;
}

export interface Authority {
  /** PEM of its own certificate. */
  readonly ca: string;
  /** For localhost and 127.0.0.1. */
  issue(validity?: Partial<Validity>): Promise<Issued>;
}

const { subtle } = webcrypto;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const DAY_MS = 86_400_000;
const [DNS_NAME, IP_ADDRESS] = [2, 7] as const;

export async function createAuthority(name = 'test authority'): Promise<Authority> {
  const keys = await newKeys();
  const basics = new BasicConstraints({ cA: true });
  const own = await signed(name, name, keys, keys.privateKey, {}, [
    new Extension({ extnID: '2.5.29.19', critical: true, extnValue: basics.toSchema().toBER() }),
  ]);
  const alternatives = new GeneralNames({
    names: [
      new GeneralName({ type: DNS_NAME, value: 'localhost' }),
      new GeneralName({
        type: IP_ADDRESS,
        value: new OctetString({ valueHex: Uint8Array.of(127, 0, 0, 1).buffer }),
      }),
    ],
  });
  return {
    ca: own.toString(),
    async issue(validity = {}) {
      const leafKeys = await newKeys();
      const leaf = await signed('warmroute', name, leafKeys, keys.privateKey, validity, [
        new Extension({ extnID: '2.5.29.17', extnValue: alternatives.toSchema().toBER() }),
      ]);
      const pkcs8 = Buffer.from(await subtle.exportKey('pkcs8', leafKeys.privateKey));
      const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`;
      return { cert: leaf.toString(), key, serialNumber: leaf.serialNumber };
    },
  };
}

function newKeys() {
  return subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

type Keys = Awaited<ReturnType<typeof newKeys>>;

async function signed(
  subject: string,
  issuer: string,
  { publicKey }: Keys,
  signer: Keys['privateKey'],
  { beginsAt = Date.now() - DAY_MS, endsAt = Date.now() + 365 * DAY_MS }: Partial<Validity>,
  extensions: Extension[],
): Promise<X509Certificate> {
  const certificate = new Certificate({ version: 2, extensions });
  const serialNumber = webcrypto.getRandomValues(new Uint8Array(8));
  serialNumber[0] = 0x40;
  certificate.serialNumber = new Integer({ valueHex: serialNumber.buffer });
  certificate.subject.typesAndValues.push(commonName(subject));
  certificate.issuer.typesAndValues.push(commonName(issuer));
  certificate.notBefore.value = new Date(beginsAt);
  certificate.notAfter.value = new Date(endsAt);
  await certificate.subjectPublicKeyInfo.importKey(publicKey);
  await certificate.sign(signer, 'SHA-256');
  return new X509Certificate(Buffer.from(certificate.toSchema(true).toBER()));
}

function commonName(value: string) {
  return new AttributeTypeAndValue({ type: '2.5.4.3', value: new Utf8String({ value }) });
}
