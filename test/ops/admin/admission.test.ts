import type { IncomingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';
import { assert } from 'chai';
import { type AdmissionRules, refusalOf } from '../../../src/ops/admin/admission.ts';

const EVERYONE: AdmissionRules = { operators: 'everyone', hosts: ['router.example'] };

function refused(headers: IncomingHttpHeaders, method = 'GET', rules = EVERYONE): boolean {
  return refusalOf({ from: '10.0.0.9', method, headers }, 'operator', rules) !== undefined;
}

describe('an operator’s request from another host', () => {
  for (const host of [
    ...['10.0.0.1:8080', '[fd00::1]:8080', '[fd00::1]', 'localhost:8080', 'warmroute', 'warmroute:8080'],
    ...['warmroute.llm.svc:8080', 'warmroute.llm.svc.cluster.local', 'node.internal', `${hostname()}:8080`],
    ...['router.example', 'ROUTER.example:8080', undefined],
  ])
    it(`may name ${host}`, () => assert.isFalse(refused({ host })));

  for (const host of [
    ...['evil.example', 'evil.example:8080', 'x.router.example', 'router.example.evil.example'],
    ...['evil.svc.example', '10.0.0.1.evil.example', '', ':8080', 'svc.'],
  ])
    it(`may not name ${JSON.stringify(host)}`, () => assert.isTrue(refused({ host })));

  it('may name any host where all are listed', () => {
    assert.isFalse(refused({ host: 'any.example' }, 'GET', { operators: 'everyone', hosts: ['*'] }));
  });

  const host = '10.0.0.1:8080';
  it('may be from a page that was served here', () => {
    assert.isFalse(refused({ host, origin: 'http://10.0.0.1:8080' }, 'POST'));
    assert.isFalse(refused({ host, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }));
    assert.isFalse(refused({ host, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }));
  });

  for (const origin of [
    'http://10.0.0.1:9090',
    'http://evil.example',
    'null',
    '',
    'http://10.0.0.1:8080.evil',
  ])
    it(`may not be from a page of ${JSON.stringify(origin)}`, () => assert.isTrue(refused({ host, origin })));

  it('may follow a link of another site, and be nothing else from there', () => {
    const site = { host, 'sec-fetch-site': 'cross-site' };
    assert.isFalse(refused({ ...site, 'sec-fetch-mode': 'navigate' }));
    assert.isTrue(refused({ ...site, 'sec-fetch-mode': 'navigate' }, 'POST'));
    for (const mode of ['no-cors', 'cors', 'websocket']) {
      assert.isTrue(refused({ ...site, 'sec-fetch-mode': mode }), mode);
    }
    assert.isTrue(refused({ host, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }));
  });

  it('is refused altogether where operators are on this host', () => {
    assert.isTrue(refused({ host: 'localhost' }, 'GET', { operators: 'loopback', hosts: ['*'] }));
  });
});

describe('a scraper’s request', () => {
  it('may come from anywhere, by any name', () => {
    const asked = { from: '10.0.0.9', method: 'GET', headers: { host: 'any.example' } };
    assert.isUndefined(refusalOf(asked, 'network', { operators: 'loopback', hosts: [] }));
  });
});
