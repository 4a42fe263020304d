import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { distributionOf } from '../../../src/simulation/measures.ts';
import { writeOutput } from '../../../src/simulation/report/output.ts';
import { described } from '../../../src/simulation/report/page.ts';
import { bars, shares } from '../../../src/simulation/report/plots.ts';
import { csvOf, jsonOf, type PolicyResult, type Results } from '../../../src/simulation/report/results.ts';
import { tableOf } from '../../../src/simulation/report/table.ts';
import { FLEET } from '../support.ts';

const MS = { mean: 1_234.5, p50: 1_000, p90: 2_000, p99: 3_000 };

function aResult(changes: Partial<PolicyResult> = {}): PolicyResult {
  return {
    ...{ policy: 'prefix-cache', seed: 1, requests: 10, refused: 0, promptTokens: 1_000, cachedTokens: 250 },
    ...{
      reachableTokens: 500,
      hitRate: 0.25,
      hitRateOfReachable: 0.5,
      firstTokenMs: MS,
      queueMs: MS,
      requestMs: MS,
    },
    ...{
      imbalance: 1.1,
      computedTokens: [375, 375],
      accuracy: 0.996,
      overpredicted: 0,
      preemptions: 0,
      otherZone: 0.125,
    },
    ...{
      endMs: 60_000,
      utilization: 0.4,
      firstTokenPercentilesMs: Array.from({ length: 101 }, (_, i) => 10 * i),
    },
    ...changes,
  };
}

function resultsOf(...runs: readonly PolicyResult[]): Results {
  return { setup: { ...FLEET, traces: ['<trace>.jsonl'], load: 1, minutes: 10, warmUpMs: 0 }, runs };
}

describe('the report of a simulation', () => {
  it('is a table in Markdown, seconds and per cent', () => {
    const [titles, rule, row, ...more] = tableOf(resultsOf(aResult())).trimEnd().split('\n');
    assert.match(titles!, /^\| policy +\| seed \| hit rate \| of reachable \| TTFT mean s \|/);
    assert.match(rule!, /^\| -+ \| -+: \|/);
    assert.match(
      row!,
      /^\| prefix-cache \| +1 \| +25.0 % \| +50.0 % \| +1.234 \| 1.000 \| 2.000 \| 3.000 \|/,
    );
    assert.isEmpty(more);
  });

  it('tells of zones where there are several', () => {
    const results = resultsOf(aResult());
    assert.notInclude(tableOf(results), 'zone');
    const zones = { count: 3, penaltyMs: 10, latencyMs: 1 };
    const three = { ...results, setup: { ...results.setup, zones } };
    assert.match(tableOf(three), /\| other zone \|\n.*\n.*\| +12\.5 % \|\n$/);
    assert.notProperty(described(results.setup), 'zones');
    assert.equal(
      described(three.setup).zones,
      '3; another one costs 10 ms in the policy, and 1 ms on the way',
    );
  });

  it('names what was refused where something was', () => {
    assert.notInclude(tableOf(resultsOf(aResult())), 'refused');
    assert.include(tableOf(resultsOf(aResult(), aResult({ refused: 3 }))), 'refused');
  });

  it('is JSON with six digits', () => {
    const { runs } = JSON.parse(jsonOf(resultsOf(aResult({ hitRate: 1 / 3, cachedTokens: 123_456_789 }))));
    assert.deepEqual([runs[0].hitRate, runs[0].cachedTokens], [0.333333, 123_456_789]);
  });

  it('is CSV, text quoted where it has to be', () => {
    const [columns, row] = csvOf(resultsOf(aResult({ policy: '=a,"b"' }))).split('\n');
    assert.match(columns!, /^policy,seed,.*firstTokenMs.p99/);
    assert.match(row!, /^"'=a,""b""",1,10,0,1000,250/);
  });

  it('has percentiles by nearest rank', () => {
    assert.deepEqual(distributionOf(Float64Array.of(1, 2, 3, 4)), { mean: 2.5, p50: 2, p90: 4, p99: 4 });
    assert.deepEqual(distributionOf(new Float64Array()), { mean: 0, p50: 0, p90: 0, p99: 0 });
  });

  it('is written as files that load nothing and show no text as markup', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const out = join(folder, 'new', 'folder');
      const paths = await writeOutput(
        out,
        resultsOf(aResult({ policy: '<b>' }), aResult({ policy: '<b>', seed: 2 })),
      );
      const names = ['first-token-mean.svg', 'first-token-p99.svg', 'first-token.svg', 'hit-rate.svg'];
      const all = ['index.html', ...names, 'results.csv', 'results.json'];
      assert.sameMembers(await readdir(out), all);
      assert.sameMembers(
        [...paths],
        all.map(name => join(out, name)),
      );
      const page = await readFile(join(out, 'index.html'), 'utf8');
      assert.include(page, '&lt;trace&gt;.jsonl');
      assert.include(page, '&lt;b&gt;, seed 2');
      assert.notMatch(page, /<b>|<script|src=|href=/);
      assert.equal(page.match(/<svg /g)?.length, names.length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('plots', () => {
  it('draw bars as long as their values', () => {
    const drawn = bars({ title: 'Title', axis: 'seconds' }, [bar('a', 1), bar('b', 2), bar('c', 0)], String);
    const widths = [...drawn.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(match => Number(match[1]));
    assert.lengthOf(widths, 3);
    assert.approximately(widths[1]! / widths[0]!, 2, 0.01);
    assert.equal(widths[2], 0);
  });

  it('draw a curve a label, zeros and more labels than colours included', () => {
    const curves = Array.from({ length: 9 }, (_, i) => ({
      label: `policy ${i}`,
      points: [
        [0, 0],
        [0.5, 0.5],
        [i + 1, 1],
      ] as const,
    }));
    const drawn = shares({ title: 'Title', axis: 'seconds' }, curves);
    assert.equal(drawn.match(/<path /g)?.length, 9);
    assert.notInclude(drawn, 'NaN');
    assert.include(drawn, 'stroke-dasharray="6 3"');
  });

  it('draw nothing where there is nothing', () => {
    assert.notInclude(bars({ title: 'Title', axis: '' }, [bar('a', 0)], String), 'NaN');
    assert.notInclude(shares({ title: 'Title', axis: '' }, []), 'NaN');
  });
});

function bar(label: string, value: number) {
  return { label, value };
}
