import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { assert } from 'chai';
import { checkIdentity, type PemParts } from '../../src/tls/pem-identity.ts';
import { createAuthority, type Issued } from '../support/certificates.ts';

describe('PEM files of a server', () => {
  let ca: string;
  let one: Issued;
  let other: Issued;

  before(async () => {
    const authority = await createAuthority();
    ({ ca } = authority);
    [one, other] = [await authority.issue(), await authority.issue()];
  });

  function check({ cert = one.cert, key = one.key, clientCa }: Partial<Record<keyof PemParts, string>>) {
    return checkIdentity({
      cert: { setting: 'CERT', text: cert },
      key: { setting: 'KEY', text: key },
      clientCa: clientCa === undefined ? undefined : { setting: 'CA', text: clientCa },
    });
  }

  it('are taken as they are, and shown by the first certificate', () => {
    const checked = check({ cert: `# mine\n${one.cert}\n# its authority\n${ca}`, clientCa: `${ca}${ca}` });
    assert.equal(checked.kind, 'valid');
    if (checked.kind !== 'valid') return;
    assert.include(checked.identity.cert, ca);
    assert.equal(checked.identity.clientCa, `${ca}${ca}`);
    const { validTo } = new X509Certificate(one.cert);
    assert.deepInclude(checked.certificate, {
      ...{ serialNumber: one.serialNumber, subject: 'CN=warmroute' },
      endsAt: Date.parse(validTo),
    });
  });

  const encrypted = () =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
    }) as string;
  const weak = (): Partial<Record<keyof PemParts, string>> => {
    const half = one.cert.slice(0, one.cert.length / 2);
    return { cert: `${one.cert}${half}` };
  };

  for (const [what, given, problem] of [
    ['no certificate', () => ({ cert: '' }), /^CERT: there is no PEM certificate/],
    ['half a certificate', () => ({ cert: one.cert.slice(0, 200) }), /^CERT: there is no PEM certificate/],
    [
      'a certificate of junk',
      () => ({ cert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
      /^CERT: there is no PEM certificate/,
    ],
    ['no key', () => ({ key: one.cert }), /^KEY: there is no PEM private key/],
    ['half a key', () => ({ key: one.key.slice(0, 100) }), /^KEY: there is no PEM private key/],
    ['a key with a passphrase', () => ({ key: encrypted() }), /without a passphrase/],
    [
      'the key of another one',
      () => ({ key: other.key }),
      /^the certificate of CERT is not that of the key of KEY/,
    ],
    ['no authority', () => ({ clientCa: one.key }), /^CA: there is no PEM certificate/],
    ['a chain that is half written', weak, /^CERT: TLS cannot be served with it: /],
  ] as const) {
    it(`with ${what} cannot be used`, () => {
      const checked = check(given());
      assert.equal(checked.kind, 'invalid');
      if (checked.kind !== 'invalid') return;
      assert.match(checked.problem, problem);
      assert.notInclude(checked.problem, one.key.slice(40, 80));
    });
  }
});
