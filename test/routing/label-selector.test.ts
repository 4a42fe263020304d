import { assert } from 'chai';
import { parseLabelSelector } from '../../src/routing/label-selector.ts';

const LABELS = { tenant: 'blue', 'app.kubernetes.io/name': 'vllm', gpus: '8', empty: '' };

function matches(selector: string, labels: Readonly<Record<string, string>> = LABELS): boolean {
  const parsed = parseLabelSelector(selector);
  assert(parsed.kind === 'selector', selector);
  return parsed.matches(labels);
}

describe('a label selector', () => {
  for (const selector of [
    '',
    ' ',
    'tenant=blue',
    'tenant==blue',
    'tenant = blue',
    'tenant!=red',
    'team!=a',
    'tenant',
    '!team',
    'tenant in (red, blue)',
    'tenant in (blue)',
    'tenant notin (red,green)',
    'team notin (a)',
    'empty=',
    'empty in ()',
    'app.kubernetes.io/name=vllm',
    'gpus>4',
    'gpus<16',
    'tenant=blue,gpus>4, !team ,tenant in (red,blue)',
  ]) {
    it(`matches: ${JSON.stringify(selector)}`, () => assert.isTrue(matches(selector)));
  }

  for (const selector of [
    'tenant=red',
    'tenant!=blue',
    'team',
    '!tenant',
    'team=a',
    'team=',
    'tenant in (red,green)',
    'team in (a)',
    'tenant notin (red,blue)',
    'gpus>8',
    'gpus<8',
    'tenant>1',
    'team>1',
    'tenant=blue,team',
    'constructor',
    'toString!=x,team',
  ]) {
    it(`does not match: ${JSON.stringify(selector)}`, () => assert.isFalse(matches(selector)));
  }

  for (const selector of [
    '=blue',
    'tenant=blue=red',
    'tenant in blue',
    'tenant in (blue',
    'tenant in (a b)',
    ',',
    'tenant,',
    '!',
    'ten ant',
    'tenant>blue',
    'tenant=-blue',
    '-tenant=blue',
    'tenant=(blue)',
    'tenant=blue,a (b,c',
    `${'a,'.repeat(1_000)}(`,
  ]) {
    it(`is refused: ${JSON.stringify(selector.slice(0, 20))}`, () => {
      assert.equal(parseLabelSelector(selector).kind, 'invalid');
    });
  }

  it('has 64 requirements and 4,096 characters at most, as clients write it', () => {
    const reasonOf = (selector: string) => {
      const parsed = parseLabelSelector(selector);
      return parsed.kind === 'invalid' ? parsed.reason : undefined;
    };
    assert.isUndefined(reasonOf(Array(64).fill('a').join()));
    assert.equal(reasonOf(Array(65).fill('a').join()), 'it has more than 64 requirements');
    assert.isUndefined(reasonOf('a'.repeat(4_096)));
    assert.equal(reasonOf('a'.repeat(4_097)), 'it is longer than 4096 characters');
  });
});
