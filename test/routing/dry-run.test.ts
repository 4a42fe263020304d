/** A dry run says what a request would meet, and changes nothing that a later request could notice. */
import { assert } from 'chai';
import fc from 'fast-check';
import { endpointOf } from '../../src/domain.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import { createDryRun } from '../../src/routing/dry-run.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import { createRoute, type Decide, type RouteOutcome, type RouteRequest } from '../../src/routing/route.ts';
import { aPromptHistory } from '../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, rejected, routed, TOKENS } from '../support/route-bench.ts';

interface Router {
  readonly bench: RouteBench;
  readonly responses: ResponseOwners;
  readonly route: Decide;
  readonly dryRun: Decide;
}

/** Both ways of asking one router; chance never decides. */
function aRouter(): Router {
  const bench = new RouteBench();
  const responses = new ResponseOwners({ maxResponses: 2, now: bench.clock.now });
  for (const pod of [a, b, c]) {
    bench.health.joined(pod);
    responses.joined(pod);
  }
  const history = aPromptHistory({ now: bench.clock.now, timeToLiveMs: 5_000 });
  const parts = bench.partsOf({ random: () => 0, responses, history });
  return { bench, responses, route: createRoute(parts), dryRun: createDryRun(parts) };
}

const summary = ({ decision }: RouteOutcome) =>
  decision.kind === 'routed'
    ? [decision.pod.name, decision.reason, decision.retries.map(({ name }) => name), decision.matchedBlocks]
    : decision;

describe('a dry run', () => {
  for (const [what, given, body] of [
    ['a prompt that is held', {}, undefined],
    ['a turn of round robin', { strategy: 'round-robin' }, undefined],
    ['a weighted list', { strategy: 'prefix-cache,least-request' }, undefined],
    ['an endpoint without a prompt', { path: '/v1/embeddings' }, undefined],
    ['a subset', { subset: ['127.0.0.1:3'] }, undefined],
    ['an unknown model', {}, { model: 'nobody', prompt: 'Hi' }],
    ['a malformed body', {}, { model: 'demo' }],
    ['a bad strategy', { strategy: 'best' }, undefined],
    ['a bad filter', { labels: '((' }, undefined],
    ['a model without pods', {}, { model: 'asleep', prompt: 'Hi' }],
    ['a body that never came', { extent: 'late_body' }, undefined],
  ] as const) {
    it(`says what the next request meets: ${what}`, async () => {
      const { route, dryRun } = aRouter();
      const request = aRequest(given, body ?? { model: 'demo', prompt: 'Hi' });
      const dry = await dryRun(request, NEVER);
      assert.deepEqual(summary(dry), summary(await route(request, NEVER)));
      assert.isDefined(dry.course);
    });
  }

  it('sends nothing, counts nothing and remembers nothing', async () => {
    const { bench, dryRun } = aRouter();
    let predicted = 0;
    bench.predict = () => {
      predicted++;
      return undefined;
    };
    const outcome = await dryRun(aRequest(), NEVER);
    assert.equal(routed(outcome).pod, b);
    assert.isUndefined(outcome.answered({ status: 200, servedBy: undefined }));
    outcome.release();
    assert.deepEqual([bench.load.total(), bench.remembered, predicted], [0, [], 0]);
    assert.lengthOf(bench.tokenized, 1, 'the tokenizer is asked');
    assert.deepInclude(bench.health.reportOf(b), { requestsSeen: 0 });
  });

  it('begins no trial', async () => {
    const { bench, route, dryRun } = aRouter();
    for (let i = 0; i < 3; i++)
      bench.health.sent(a, 'watched', 'x').answered({ status: 500, servedBy: undefined });
    bench.clock.advance(3_600_000);
    for (let i = 0; i < 3; i++) assert.equal(routed(await dryRun(aRequest(), NEVER)).reason, 'trial');
    assert.equal(routed(await route(aRequest(), NEVER)).reason, 'trial', 'there is still one to be made');
  });

  it('keeps no prompt without tokens in mind for longer, nor remembers it', async () => {
    const { bench, route, dryRun } = aRouter();
    bench.tokenize = () => Promise.reject(new TokenizerError('no_form', 'none'));
    const request = aRequest({}, { model: 'demo', prompt: 'word '.repeat(200) });
    for (let i = 0; i < 2; i++) assert.equal(routed(await dryRun(request, NEVER)).reason, 'no_token_form');
    const sent = await route(request, NEVER);
    assert.equal(routed(sent).reason, 'no_token_form');
    sent.release();
    assert.equal(routed(await dryRun(request, NEVER)).reason, 'history_match');
  });

  it('does not begin to remember prompts', async () => {
    const { bench, route, dryRun } = aRouter();
    const request = aRequest({}, { model: 'demo', prompt: 'word '.repeat(200) });
    const without = () => Promise.reject(new TokenizerError('no_form', 'none'));
    bench.tokenize = without;
    await dryRun(request, NEVER);
    bench.tokenize = async () => TOKENS;
    (await route(request, NEVER)).release();
    bench.tokenize = without;
    assert.equal(routed(await route(request, NEVER)).reason, 'no_token_form');
  });

  it('uses no response that it names', async () => {
    const { responses, route, dryRun } = aRouter();
    for (const id of ['resp_1', 'resp_2']) responses.made(id, endpointOf(c), 'whole');
    const body = { model: 'demo', input: 'Hi', previous_response_id: 'resp_1' };
    const request = aRequest({ path: '/v1/responses' }, body);
    assert.equal(routed(await dryRun(request, NEVER)).reason, 'response_owner');
    responses.made('resp_3', endpointOf(c), 'whole');
    assert.notEqual(routed(await route(request, NEVER)).reason, 'response_owner', 'it was used longest ago');
  });

  it('ends at its deadline', async () => {
    const { bench } = aRouter();
    const parts = bench.partsOf({ deadlineMs: 1 });
    bench.tokenize = () => new Promise(() => {});
    assert.equal(routed(await createDryRun(parts)(aRequest(), NEVER)).reason, 'deadline');
  });

  it('is refused as the request would be', async () => {
    const { dryRun } = aRouter();
    const outcome = await dryRun(aRequest({}, { model: 'nobody', prompt: 'Hi' }), NEVER);
    assert.equal(rejected(outcome).kind, 'unknown_model');
  });

  /** `dry`: asked about, not asked. `pause`: in its place, time alone passes. */
  interface Step {
    readonly kind: 'real' | 'dry' | 'pause';
    readonly request: RouteRequest;
    readonly end: 'open' | number;
    readonly tokens: 'known' | 'unknown';
    /** A response that pod c has made before. */
    readonly made: string | undefined;
  }

  const anyRequest: fc.Arbitrary<RouteRequest> = fc
    .record({
      strategy: fc.constantFrom(
        undefined,
        undefined,
        undefined,
        undefined,
        'round-robin',
        'least-request',
        'prefix-cache,least-request',
        'session-affinity',
        'no such',
      ),
      path: fc.constantFrom('/v1/completions', '/v1/embeddings', '/v1/responses'),
      model: fc.constantFrom('demo', 'demo', 'demo', 'demo', 'nobody', 'asleep'),
      previous: fc.constantFrom(undefined, 'resp_a', 'resp_b', 'resp_c'),
      text: fc.constantFrom('one '.repeat(100), 'two '.repeat(100)),
      response: fc.constantFrom('watched', 'unwatched'),
      extent: fc.constantFrom('whole', 'late_body'),
      priority: fc.constantFrom(0, -1),
    })
    .map(({ strategy, path, model, previous, text, ...given }) => {
      const body = { model, prompt: text, input: text, ...(previous && { previous_response_id: previous }) };
      return aRequest({ ...given, strategy, path } as Partial<RouteRequest>, body);
    });

  const anyStep: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom('real', 'dry'),
    request: anyRequest,
    end: fc.constantFrom<Step['end']>('open', 200, 500),
    tokens: fc.constantFrom('known', 'unknown'),
    made: fc.constantFrom(undefined, 'resp_a', 'resp_b', 'resp_c'),
  });

  /** What requests meet, and what is left behind by them. */
  async function lived(steps: readonly Step[]): Promise<unknown[]> {
    const { bench, responses, route, dryRun } = aRouter();
    const met: unknown[] = [];
    for (const { kind, request, end, tokens, made } of steps) {
      bench.clock.advance(1_000);
      if (made !== undefined) responses.made(made, endpointOf(c), 'whole');
      bench.tokenize = async () => {
        if (tokens === 'unknown') throw new TokenizerError('no_form', 'none');
        return TOKENS;
      };
      if (kind === 'dry') await dryRun(request, NEVER);
      if (kind !== 'real') continue;
      const outcome = await route(request, NEVER);
      met.push(summary(outcome));
      if (end === 'open') continue;
      outcome.answered({ status: end, servedBy: undefined });
      outcome.release();
    }
    const loads = [a, b, c].map(pod => bench.load.running(pod));
    const healths = [a, b, c].map(pod => bench.health.reportOf(pod));
    return [...met, loads, healths, bench.remembered, bench.takenBack, responses.size, bench.changes];
  }

  it('among real requests is as if it had not been', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 16 }), async steps => {
        const without = steps.map((step): Step => (step.kind === 'dry' ? { ...step, kind: 'pause' } : step));
        assert.deepEqual(await lived(steps), await lived(without));
      }),
      { numRuns: 80 },
    );
  });
});
