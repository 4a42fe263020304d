import { assert } from 'chai';
import { type PromptRequest, promptWithout } from '../../../src/prompt/request.ts';
import { type SampledAnswer, SampledAnswers } from '../../../src/routing/worth/sampled-answers.ts';
import { aPod, aRoutedDecision } from '../../support/builders.ts';
import { HandClock } from '../../support/hand-clock.ts';

const DECISION = aRoutedDecision();
const { pod } = DECISION;
const aPrompt = (body: PromptRequest['body'] = {}, path = '/v1/chat/completions') => ({
  ...promptWithout(path, 'demo'),
  body,
});
const STREAMED = aPrompt({ stream: true });
const answer = (cached: number | undefined, prompt = 70) =>
  Buffer.from(
    JSON.stringify({
      usage: {
        prompt_tokens: prompt,
        prompt_tokens_details: cached === undefined ? null : { cached_tokens: cached },
      },
    }),
  );

describe('a sampled answer', () => {
  let clock: HandClock;
  let sampled: SampledAnswer[];
  let samples: SampledAnswers;
  beforeEach(() => {
    clock = new HandClock();
    sampled = [];
    samples = new SampledAnswers({
      maxStreams: 2,
      now: clock.now,
      onSampled: each => void sampled.push(each),
    });
  });

  /** Ends it, and says what it came to. */
  function outcomeOf(
    given: {
      status?: number;
      server?: typeof pod | 'unknown';
      encoding?: 'plain' | 'encoded';
      part?: Buffer;
    },
    decision = DECISION,
  ) {
    const followed = samples.follow(decision, aPrompt())!;
    const { status = 200, server = decision.pod, encoding = 'plain', part } = given;
    followed.answered(status, server === 'unknown' ? undefined : server, encoding);
    if (part !== undefined) followed.read(part);
    followed.ended();
    followed.ended();
    return sampled.pop()!.outcome;
  }

  // 48 of 70 tokens are predicted, in blocks of 16.
  for (const [reported, kind] of [
    [48, 'as_predicted'],
    [63, 'as_predicted'],
    [33, 'as_predicted'],
    [64, 'more_cached'],
    [32, 'less_cached'],
    [0, 'less_cached'],
  ] as const) {
    it(`is ${kind} with ${reported} cached tokens`, () => {
      assert.deepEqual(outcomeOf({ part: answer(reported) }), {
        ...{ kind, promptTokens: 70, predictedTokens: 48, reportedTokens: reported },
      });
      assert.isEmpty(sampled, 'once');
    });
  }

  it('is compared in the engine’s tokens, whatever the prompt was cut into here', () => {
    assert.deepEqual(outcomeOf({ part: answer(90, 140) }), {
      ...{ kind: 'as_predicted', promptTokens: 140, predictedTokens: 96, reportedTokens: 90 },
    });
  });

  it('says nothing where the prompt was not looked up', () => {
    const decision = aRoutedDecision({ tokens: undefined, arm: undefined });
    assert.deepEqual(outcomeOf({ part: answer(48) }, decision), { kind: 'unpredicted' });
  });

  it('has no usage, until its engine was heard to tell of cached tokens: then nothing was cached', () => {
    assert.deepEqual(outcomeOf({ part: answer(undefined) }), { kind: 'no_usage' });
    assert.deepEqual(outcomeOf({ part: Buffer.from('{}') }), { kind: 'no_usage' });
    outcomeOf({ part: answer(48) });
    assert.deepInclude(outcomeOf({ part: answer(undefined) }), { kind: 'less_cached', reportedTokens: 0 });
    const other = aRoutedDecision({ pod: aPod({ name: 'other', port: 1 }) });
    assert.deepEqual(outcomeOf({ part: answer(undefined) }, other), { kind: 'no_usage' });
    assert.deepEqual(outcomeOf({ part: Buffer.from('{}') }), { kind: 'no_usage' });
  });

  it('has what its engine reports, as far as it does', () => {
    const usageOf = (part: Buffer | undefined) => {
      const followed = samples.follow(DECISION, aPrompt())!;
      followed.answered(200, pod, 'plain');
      if (part !== undefined) followed.read(part);
      followed.ended();
      return sampled.pop()!.usage;
    };
    const usage = { promptTokens: 70, cachedTokens: undefined, generatedTokens: undefined };
    assert.deepEqual(usageOf(answer(undefined)), usage);
    assert.deepEqual(usageOf(answer(48)), { ...usage, cachedTokens: 48 });
    assert.deepEqual(usageOf(answer(undefined)), { ...usage, cachedTokens: 0 });
    assert.isUndefined(usageOf(Buffer.from('{}')));
    assert.isUndefined(usageOf(undefined));
  });

  it('may not be one that could be read', () => {
    assert.deepEqual(outcomeOf({ status: 500 }), { kind: 'error_status' });
    assert.deepEqual(outcomeOf({ encoding: 'encoded' }), { kind: 'encoded' });
    assert.deepEqual(outcomeOf({ server: 'unknown', part: answer(48) }), { kind: 'other_pod' });
    assert.deepEqual(outcomeOf({ server: aPod({ port: 1 }), part: answer(48) }), { kind: 'other_pod' });
    assert.deepEqual(outcomeOf({}), { kind: 'not_shown' });
    samples.follow(DECISION, aPrompt())!.ended();
    assert.deepEqual(sampled[0]?.outcome, { kind: 'not_shown' });
  });

  it('begins with its headers where it comes whole', () => {
    const followed = samples.follow(DECISION, aPrompt())!;
    clock.advance(250);
    followed.answered(200, pod, 'plain');
    clock.advance(100);
    followed.read(answer(48));
    followed.ended();
    assert.deepInclude(sampled[0], { decision: DECISION, answer: 'whole', firstByteMs: 250 });
  });

  it('begins with its first part where it is streamed: engines send headers before they compute', () => {
    const followed = samples.follow(DECISION, STREAMED)!;
    clock.advance(5);
    followed.answered(200, pod, 'plain');
    clock.advance(300);
    followed.read(Buffer.from('data: {}\n\n'));
    clock.advance(1_000);
    followed.read(Buffer.from('data: {}\n\n'));
    followed.ended();
    assert.deepInclude(sampled[0], { answer: 'streamed', firstByteMs: 305 });
  });

  it('of /v1/responses begins with its first item: it says before that it has begun', () => {
    const followed = samples.follow(DECISION, aPrompt({ stream: true }, '/v1/responses'))!;
    followed.answered(200, pod, 'plain');
    followed.read(Buffer.from('event: response.created\n\n'));
    followed.read(Buffer.from('data: {"instructions":"event: response.output_item.added"}\n\n'));
    clock.advance(40);
    followed.read(Buffer.from(': ping\n\nevent: response.output_item.added\n\n'));
    followed.ended();
    assert.deepInclude(sampled[0], { answer: 'streamed', firstByteMs: 40 });
  });

  it('has no first byte where it failed, or was not seen', () => {
    for (const prompt of [aPrompt(), STREAMED]) {
      const failed = samples.follow(DECISION, prompt)!;
      failed.answered(503, pod, 'plain');
      failed.ended();
      samples.follow(DECISION, prompt)!.ended();
    }
    assert.deepEqual(
      sampled.map(({ firstByteMs }) => firstByteMs),
      [undefined, undefined, undefined, undefined],
    );
  });

  it('is left out where as many are streamed as may be, and counted', () => {
    const [one, two] = [samples.follow(DECISION, STREAMED)!, samples.follow(DECISION, STREAMED)!];
    assert.isUndefined(samples.follow(DECISION, STREAMED));
    assert.deepEqual(sampled.pop(), {
      ...{ decision: DECISION, answer: 'streamed', firstByteMs: undefined, outcome: { kind: 'too_many' } },
      usage: undefined,
    });
    assert.isDefined(samples.follow(DECISION, aPrompt()), 'a whole one costs little');
    one.ended();
    one.ended();
    assert.isDefined(samples.follow(DECISION, STREAMED));
    assert.isUndefined(samples.follow(DECISION, STREAMED), 'the end of one counts once');
    two.ended();
  });
});
