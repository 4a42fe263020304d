import { assert } from 'chai';
import { readIsSleeping, readSleepMetric } from '../../src/engine-api/sleep-state.ts';

describe('the sleep state of an engine', () => {
  for (const [text, isAsleep] of [
    ['{"is_sleeping": true}', true],
    ['{"is_sleeping":false}', false],
    ['{"is_sleeping": "yes"}', undefined],
    ['{}', undefined],
    ['null', undefined],
    ['[1', undefined],
    ['', undefined],
  ] as const) {
    it(`is ${isAsleep} in ${text || 'nothing'}`, () => assert.equal(readIsSleeping(text), isAsleep));
  }

  const metric = (engine: number, awake: string) =>
    [
      '# TYPE vllm:engine_sleep_state gauge',
      `vllm:engine_sleep_state{engine="${engine}",model_name="m",sleep_state="awake"} ${awake}`,
      `vllm:engine_sleep_state{engine="${engine}",model_name="m",sleep_state="weights_offloaded"} 0.0`,
      '',
    ].join('\n');
  for (const [title, text, isAsleep] of [
    ['of an engine that is awake', metric(0, '1.0'), false],
    ['of one that is not', metric(0, '0.0'), true],
    ['of two, one of which is not', metric(0, '1.0') + metric(1, '0.0'), true],
    ['of something else', 'vllm:num_requests_running{engine="0"} 1.0\n', undefined],
  ] as const) {
    it(`is ${isAsleep} in the metrics ${title}`, () => assert.equal(readSleepMetric(text), isAsleep));
  }
});
