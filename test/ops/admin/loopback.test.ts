import { assert } from 'chai';
import { isLocalRequest, isLoopback } from '../../../src/ops/admin/loopback.ts';

describe('a loopback address', () => {
  for (const address of [
    '127.0.0.1',
    '127.8.9.10',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
  ])
    it(`is ${address}`, () => assert.isTrue(isLoopback(address)));

  const others = ['10.0.0.1', '0.0.0.0', '::', '::2', '::ffff:10.0.0.1', '::7f00:1', 'fe80::1', '128.0.0.1'];
  for (const address of [...others, 'localhost', '127.0.0.1.example', '127.1', '', undefined])
    it(`is not ${address}`, () => assert.isFalse(isLoopback(address)));
});

describe('a local request', () => {
  const hosts = ['localhost', 'LocalHost:8080', '127.0.0.1', '127.0.0.1:8080', '[::1]', '[::1]:8080'];
  for (const host of [...hosts, '[::ffff:127.0.0.1]:1', undefined])
    it(`comes from here and asks for ${host}`, () => assert.isTrue(isLocalRequest('127.0.0.1', host)));

  const foreign = [
    'evil.example',
    'localhost.evil.example',
    'evil.example:8080',
    '10.0.0.1:8080',
    '[fe80::1]:80',
  ];
  for (const host of [...foreign, '127.0.0.1.evil.example', '', 'localhost@evil.example', 'x:127.0.0.1'])
    it(`does not ask for ${JSON.stringify(host)}`, () => assert.isFalse(isLocalRequest('127.0.0.1', host)));

  it('does not come from elsewhere, whatever it asks for', () => {
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', undefined])
      assert.isFalse(isLocalRequest(address, 'localhost'));
  });
});
