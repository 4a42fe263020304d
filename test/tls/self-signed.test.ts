import { X509Certificate } from 'node:crypto';
import { assert } from 'chai';
import { ownNames } from '../../src/tls/own-names.ts';
import { checkIdentity } from '../../src/tls/pem-identity.ts';
import { createSelfSigned } from '../../src/tls/self-signed.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');

describe('A self-signed certificate', () => {
  it('is for the names that are given, for years, and by its own key', async () => {
    const names = ['localhost', 'router-0', '10.1.2.3', '::1', '2001:db8::1:2', '2001:db8:1:2:3:4:5:6'];
    const { cert, key } = await createSelfSigned(names, NOW);
    const certificate = new X509Certificate(cert);
    assert.isTrue(certificate.verify(certificate.publicKey));
    assert.deepEqual(certificate.publicKey.asymmetricKeyDetails, { namedCurve: 'prime256v1' });
    assert.equal(certificate.checkHost('router-0'), 'router-0');
    for (const address of names.slice(2)) assert.equal(certificate.checkIP(address), address);
    assert.isUndefined(certificate.checkIP('10.1.2.4'));
    assert.equal(certificate.subject, 'CN=warmroute');
    assert.isBelow(Date.parse(certificate.validFrom), NOW);
    assert.equal(new Date(certificate.validTo).getUTCFullYear(), 2036);

    const checked = checkIdentity({
      cert: { setting: 'CERT', text: cert },
      key: { setting: 'KEY', text: key },
      clientCa: undefined,
    });
    assert.equal(checked.kind, 'valid');
  });

  it('is another one each time', async () => {
    const serials = new Set<string>();
    for (let i = 0; i < 10; i++) {
      const { serialNumber } = new X509Certificate((await createSelfSigned(['localhost'], NOW)).cert);
      assert.match(serialNumber, /^[4-7]/);
      serials.add(serialNumber);
    }
    assert.lengthOf([...serials], 10);
  });
});

describe('The names of this process', () => {
  const address = (given: string, more: object = {}) =>
    ({ address: given, internal: false, family: 'IPv4', netmask: '', mac: '', cidr: null, ...more }) as never;

  it('are its host name and its addresses, not those of links', () => {
    const interfaces = {
      lo: [address('127.0.0.1', { internal: true })],
      eth0: [address('10.1.2.3'), address('fe80::1', { scopeid: 2 }), address('2001:db8::1', { scopeid: 0 })],
    };
    assert.deepEqual(ownNames('router-0', interfaces), [
      'localhost',
      'router-0',
      '127.0.0.1',
      '::1',
      '10.1.2.3',
      '2001:db8::1',
    ]);
  });

  it('leave out what no certificate can say, and most of very many addresses', () => {
    const many = Array.from({ length: 300 }, (_, i) => address(`10.0.${i >> 8}.${i & 255}`));
    const names = ownNames('röuter 0', { eth0: many });
    assert.notInclude(names, 'röuter 0');
    assert.lengthOf(names, 3 + 16);
  });
});
