import { assert } from 'chai';
import fc from 'fast-check';
import { labelOf, type OnSample, SampleReader } from '../../src/engine-api/sample-reader.ts';

const PAGE = `# HELP wanted A metric.
# TYPE wanted gauge
wanted{engine="0",model_name="demo"} 3.0
wanted{engine="1",model_name="a } b { \\"c\\" 9"} 4.5e+00 1700000000000
wanted_total 7
wanted 8
unwanted{x="y"} 9
wanted{le="+Inf"} NaN
wanted{le="+Inf"} +Inf
wanted{broken 5
wanted
wanted{a="b"}
wanted -1`;

/** Every sample of a text that comes in these parts. */
function read(parts: readonly (string | Buffer)[]): string[] {
  const told: string[] = [];
  const tell =
    (name: string): OnSample =>
    (value, labels) =>
      told.push(`${name}{${labels}} ${value}`);
  const reader = new SampleReader(
    new Map([
      ['wanted', tell('wanted')],
      ['wanted_total', tell('wanted_total')],
    ]),
  );
  for (const part of parts) reader.push(Buffer.from(part));
  reader.end();
  return told;
}

const EXPECTED = [
  'wanted{engine="0",model_name="demo"} 3',
  'wanted{engine="1",model_name="a } b { \\"c\\" 9"} 4.5',
  'wanted_total{} 7',
  'wanted{} 8',
  'wanted{} -1',
];

describe('the reader of samples', () => {
  it('reads what is wanted, with labels as they stand, and leaves out what is no finite number', () => {
    assert.deepEqual(read([PAGE]), EXPECTED);
  });

  it('reads the same byte by byte', () => {
    assert.deepEqual(read(Array.from(Buffer.from(PAGE), byte => Buffer.of(byte))), EXPECTED);
  });

  it('reads the same however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: PAGE.length }), { maxLength: 10 }), cuts => {
        const edges = [0, ...cuts, PAGE.length].sort((a, b) => a - b);
        const parts = edges.slice(1).map((end, i) => PAGE.slice(edges[i], end));
        assert.deepEqual(read(parts), EXPECTED);
      }),
    );
  });

  it('takes anything, and never fails', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), parts => {
        read(parts.map(part => Buffer.from(part)));
      }),
    );
  });

  it('skips lines without end, and holds no more than one line', () => {
    const long = 'x'.repeat(20_000);
    assert.deepEqual(read([long, long, `${long}\nwanted 1\n`, long]), ['wanted{} 1']);
    assert.deepEqual(read(['wanted{a="', long, long, '"} 1\nwanted 2']), ['wanted{} 2']);
  });

  it('skips lines that are too long also where they come in one part', () => {
    assert.deepEqual(read([`wanted{a="${'x'.repeat(20_000)}"} 1\nwanted 2\n`]), ['wanted{} 2']);
  });

  it('leaves out values that nobody has counted to', () => {
    assert.deepEqual(read(['wanted 1e300\nwanted -1e300\nwanted 9e15']), ['wanted{} 9000000000000000']);
  });

  it('ends lines with a carriage return as well', () => {
    assert.deepEqual(read(['wanted 1\r\nwanted\t2\r\n']), ['wanted{} 1', 'wanted{} 2']);
  });
});

describe('a label of a sample', () => {
  const labels = 'engine="0",name="a \\"b\\" \\\\ c\\nd",empty="",other_name="x"';
  it('is found by its whole name, and read as it was meant', () => {
    assert.equal(labelOf(labels, 'engine'), '0');
    assert.equal(labelOf(labels, 'name'), 'a "b" \\ c\nd');
    assert.equal(labelOf(labels, 'empty'), '');
    assert.isUndefined(labelOf(labels, 'ngine'));
    assert.isUndefined(labelOf('1engine="0"', 'engine'));
    assert.isUndefined(labelOf('', 'engine'));
    assert.isUndefined(labelOf('engine="0', 'engine'));
  });

  it('may have letters of any language', () => {
    const bytes = Buffer.from('model="模型"').toString('latin1');
    assert.equal(labelOf(bytes, 'model'), '模型');
  });
});
