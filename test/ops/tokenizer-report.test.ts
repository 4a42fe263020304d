import { assert } from 'chai';
import { reportConfirmations } from '../../src/ops/confirmation-report.ts';
import { reportTokenizer, type TokenizerReport } from '../../src/ops/tokenizer-report.ts';
import type { TokenizeFact } from '../../src/prompt/engine/remote-tokenizer.ts';
import { aPod, type LogLine, recordingLog } from '../support/builders.ts';
import { samplesOf, type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const pod = aPod();

const called = (
  outcome: Extract<TokenizeFact, { kind: 'call' }>['outcome'],
  route: 'render' | 'tokenize' = 'render',
): TokenizeFact => ({ kind: 'call', route, pod, outcome, durationMs: 1 });

describe('reports of the remote tokenizer', () => {
  let telemetry: TestTelemetry;
  let logged: ReturnType<typeof recordingLog>;
  let report: TokenizerReport;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
    report = reportTokenizer(telemetry.instruments, logged.log);
    report.joined(pod.name);
  });
  afterEach(() => telemetry.stop());

  const metric = async (name: string) => samplesOf(name, await telemetry.scrape());
  const said = () => logged.lines.map(({ level, fields }: LogLine) => [level, fields]);

  const facts: [TokenizeFact, string][] = [
    [{ kind: 'hit' }, 'kind="hit"'],
    [{ kind: 'shared' }, 'kind="shared"'],
    [{ kind: 'retry', pod }, 'kind="retry"'],
    [{ kind: 'hedge', pod }, 'kind="hedge"'],
    [called('tokens'), 'kind="tokens",route="render"'],
    [called('timeout', 'tokenize'), 'kind="timeout",route="tokenize"'],
  ];
  for (const [fact, labels] of facts) {
    it(`count ${labels}`, async () => {
      report.hear(fact);
      assert.deepEqual(await metric('warmroute_tokenize_calls_total'), [
        `warmroute_tokenize_calls_total{${labels}} 1`,
      ]);
      assert.isEmpty(logged.lines);
    });
  }

  it('say nothing of a pod that was never asked', async () => {
    assert.isUndefined(report.stateOf(pod.name));
    assert.isEmpty(await metric('warmroute_tokenizer_circuit_open'));
  });

  it('say what came of the last call that was waited for', () => {
    for (const outcome of ['tokens', 'outrun', 'aborted'] as const) report.hear(called(outcome));
    assert.deepEqual(report.stateOf(pod.name), {
      ...{ circuit: 'closed', lastCall: { route: 'render', outcome: 'tokens' }, noFormFor: [] },
    });
  });

  it('warn of a circuit that opens, and say so as long as it is open', async () => {
    report.hear(called('unavailable'));
    report.hear({ kind: 'breaker', pod, state: 'open' });
    assert.deepEqual(said(), [['warn', { pod: 'engine-0', state: 'open' }]]);
    assert.equal(report.stateOf(pod.name)?.circuit, 'open');
    assert.deepEqual(await metric('warmroute_tokenizer_circuit_open'), [
      'warmroute_tokenizer_circuit_open{pod="engine-0"} 1',
    ]);
    report.hear({ kind: 'breaker', pod, state: 'closed' });
    assert.deepEqual(said().at(-1), ['info', { pod: 'engine-0', state: 'closed' }]);
    assert.deepEqual(await metric('warmroute_tokenizer_circuit_open'), [
      'warmroute_tokenizer_circuit_open{pod="engine-0"} 0',
    ]);
  });

  it('warn once of a path that a pod has no tokens for, and name it', () => {
    report.hear(called('absent'));
    for (const path of ['/v1/messages', '/v1/messages', '/v1/responses'])
      report.hear({ kind: 'no_form', pod, path });
    assert.deepEqual(said(), [
      ['warn', { pod: 'engine-0', path: '/v1/messages' }],
      ['warn', { pod: 'engine-0', path: '/v1/responses' }],
    ]);
    assert.deepEqual(report.stateOf(pod.name)?.noFormFor, ['/v1/messages', '/v1/responses']);
  });

  it('warn once of an engine that wants an API key, and again after it had not wanted one', () => {
    for (const outcome of ['unauthorized', 'unauthorized', 'tokens', 'unauthorized'] as const)
      report.hear(called(outcome));
    const wanted: ReturnType<typeof said>[number] = ['warn', { pod: 'engine-0', route: 'render' }];
    assert.deepEqual(said(), [wanted, wanted]);
    assert.include(logged.lines[0]!.message, 'WARMROUTE_ENGINE_API_KEY_FILE');
  });

  it('end with the pod, whatever is still on its way', async () => {
    report.hear(called('tokens'));
    report.left(pod.name);
    report.hear(called('tokens'));
    report.hear({ kind: 'no_form', pod, path: '/v1/messages' });
    report.hear({ kind: 'breaker', pod, state: 'open' });
    assert.isUndefined(report.stateOf(pod.name));
    assert.isEmpty(await metric('warmroute_tokenizer_circuit_open'));
  });
});

describe('reports of predicted prompts', () => {
  const fields = { model: 'demo', endpoint: '/v1/chat/completions', unconfirmed: 11, of: 50 };

  it('count verdicts', async () => {
    const telemetry = testTelemetry();
    const { confirmation } = reportConfirmations(telemetry.instruments, recordingLog().log);
    confirmation({ pod, model: 'demo', endpoint: '/v1/messages', verdict: 'unconfirmed' });
    assert.deepEqual(samplesOf('warmroute_predictions_total', await telemetry.scrape()), [
      'warmroute_predictions_total{model="demo",endpoint="/v1/messages",verdict="unconfirmed"} 1',
    ]);
    await telemetry.stop();
  });

  it('warn of a doubt, with the usual causes, and name the pod if it is the only one', async () => {
    const telemetry = testTelemetry();
    const { log, lines } = recordingLog();
    const { doubt } = reportConfirmations(telemetry.instruments, log);
    doubt({ kind: 'doubted', pod: undefined, ...fields });
    doubt({ kind: 'doubted', pod, ...fields });
    doubt({ kind: 'confirmed_again', pod: undefined, ...fields });
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields]),
      [
        ['warn', fields],
        ['warn', { pod: 'engine-0', ...fields }],
        ['info', fields],
      ],
    );
    for (const cause of [
      'template',
      'tokenizer',
      'prefix caching off',
      'events off',
      'blocks of another size',
    ])
      assert.include(lines[0]!.message, cause);
    await telemetry.stop();
  });
});
