import { assert } from 'chai';
import type { Arm, PredictedTokens } from '../../src/domain.ts';
import { createInstruments } from '../../src/ops/instruments/instruments.ts';
import { createMetrics, type Metrics } from '../../src/ops/metrics/metrics.ts';
import { reportWorth, type WorthReport } from '../../src/ops/worth-report.ts';
import type { AnswerOutcome } from '../../src/routing/worth/sampled-answers.ts';
import { aRoutedDecision } from '../support/builders.ts';
import { samplesOf, scrape } from '../support/telemetry.ts';

const TOKENS: PredictedTokens = {
  space: 'engine',
  prompt: 100,
  blockSizeTokens: 16,
  gpu: 32,
  cpu: 16,
  storage: 48,
};

describe('the report of what routing is worth', () => {
  let metrics: Metrics;
  let rate: number | undefined;
  let report: WorthReport;
  beforeEach(() => {
    metrics = createMetrics();
    rate = 0.25;
    report = reportWorth({ instruments: createInstruments(metrics), prefillSecondsPerToken: () => rate });
  });

  const decide = (arm: Arm | undefined, tokens: PredictedTokens | undefined = TOKENS) =>
    report.decided(aRoutedDecision({ arm, tokens }));

  async function assertSaid(lines: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const page = await scrape(metrics);
    for (const [name, samples] of Object.entries(lines))
      assert.deepEqual(
        samplesOf(name, page),
        samples.map(sample => `${name}${sample}`),
      );
  }

  it('counts the tokens of each side, and the time that their engines would have taken', async () => {
    decide('routed');
    decide('routed');
    decide('control', { ...TOKENS, gpu: 0, cpu: 0, storage: 0 });
    decide(undefined, { ...TOKENS, cpu: 0, storage: 0 });
    await assertSaid({
      warmroute_prompt_tokens_total: [
        '{model="demo",arm="routed"} 200',
        '{model="demo",arm="control"} 100',
        '{model="demo"} 100',
      ],
      warmroute_predicted_cached_tokens_total: [
        '{model="demo",arm="routed",tier="gpu"} 64',
        '{model="demo",arm="routed",tier="cpu"} 32',
        '{model="demo",arm="routed",tier="storage"} 96',
        '{model="demo",tier="gpu"} 32',
      ],
      warmroute_saved_prefill_seconds_total: ['{model="demo",arm="routed"} 48', '{model="demo"} 8'],
      warmroute_unrated_cached_tokens_total: [],
    });
  });

  it('guesses no time where the engine does not say how fast it is, and counts that', async () => {
    rate = undefined;
    decide('routed');
    await assertSaid({
      warmroute_saved_prefill_seconds_total: [],
      warmroute_unrated_cached_tokens_total: ['{model="demo",arm="routed"} 96'],
    });
  });

  it('counts nothing of prompts that were not looked up', async () => {
    report.decided({ ...aRoutedDecision(), tokens: undefined });
    await assertSaid({ warmroute_prompt_tokens_total: [] });
  });

  it('sets what was predicted beside what was reported, of the same answers', async () => {
    const usage = { promptTokens: 100, predictedTokens: 96, reportedTokens: 64 };
    const outcomes: AnswerOutcome[] = [
      { kind: 'less_cached', ...usage },
      { kind: 'no_usage' },
      { kind: 'encoded' },
    ];
    for (const outcome of outcomes)
      report.sampled({
        decision: aRoutedDecision(),
        answer: 'whole',
        firstByteMs: undefined,
        outcome,
        usage: undefined,
      });
    await assertSaid({
      warmroute_sampled_answers_total: [
        '{model="demo",outcome="less_cached"} 1',
        '{model="demo",outcome="no_usage"} 1',
        '{model="demo",outcome="encoded"} 1',
      ],
      warmroute_sampled_prompt_tokens_total: ['{model="demo",arm="routed"} 100'],
      warmroute_sampled_predicted_cached_tokens_total: ['{model="demo",arm="routed"} 96'],
      warmroute_sampled_reported_cached_tokens_total: ['{model="demo",arm="routed"} 64'],
      warmroute_first_byte_seconds_count: [],
    });
  });

  it('has the time to the first byte by side and reason, and nothing of who has gone', async () => {
    const outcome = { kind: 'no_usage' } as const;
    const control = aRoutedDecision({ arm: 'control', reason: 'control' });
    report.sampled({ decision: control, answer: 'streamed', firstByteMs: 40, outcome, usage: undefined });
    const gone = aRoutedDecision({ arm: undefined, reason: 'cancelled' });
    report.sampled({ decision: gone, answer: 'streamed', firstByteMs: 40, outcome, usage: undefined });
    await assertSaid({
      warmroute_first_byte_seconds_count: ['{arm="control",reason="control",answer="streamed"} 1'],
      warmroute_first_byte_seconds_sum: ['{arm="control",reason="control",answer="streamed"} 0.04'],
    });
    const buckets = samplesOf('warmroute_first_byte_seconds_bucket', await scrape(metrics));
    assert.match(buckets[2]!, /le="0.025".* 0$/);
    assert.match(buckets[3]!, /le="0.05".* 1$/);
  });
});
