import type { ServerResponse } from 'node:http';
import { assert } from 'chai';
import { askDecision, askDryRun, ExplainFailure } from '../../src/explain/admin-client.ts';
import { type FakeGateway, startFakeGateway } from '../support/fake-gateway.ts';
import { freePort } from '../support/free-port.ts';

const NEVER = new AbortController().signal;

const aRecord = (id: string) => ({
  ...{ id, at: '2026-11-27T00:00:00.000Z', path: '/v1/completions', outcome: 'undecided' },
  ...{ candidates: [], policy: [], stages: [] },
});

describe('asking the admin port about decisions', () => {
  let port: FakeGateway;
  let answer: (response: ServerResponse) => void;
  let admin: URL;

  beforeEach(async () => {
    port = await startFakeGateway((_, response) => answer(response));
    admin = new URL(port.url);
  });
  afterEach(() => port.stop());

  const answering = (status: number, content: unknown) => {
    answer = response =>
      response.writeHead(status).end(typeof content === 'string' ? content : JSON.stringify(content));
  };

  async function failure(asking: Promise<unknown>): Promise<string> {
    try {
      await asking;
    } catch (error) {
      assert.instanceOf(error, ExplainFailure);
      return error.message;
    }
    return assert.fail('it was answered');
  }

  it('sends the request as it is', async () => {
    answering(200, aRecord('r'));
    const headers = { 'routing-strategy': 'random' };
    const request = { path: '/v1/x?y=z', headers, body: Buffer.from('{}') };
    assert.deepEqual((await askDryRun(admin, request, NEVER)) as unknown, aRecord('r'));
    await askDryRun(new URL('/prefix/', admin), { ...request, path: undefined }, NEVER);
    const [first, second] = port.asked;
    assert.deepInclude(first, { method: 'POST', path: '/debug/route?path=%2Fv1%2Fx%3Fy%3Dz', body: '{}' });
    assert.include(first?.headers, { 'routing-strategy': 'random', 'content-type': 'application/json' });
    assert.equal(second?.path, '/prefix/debug/route');
  });

  it('asks for an id whatever it is', async () => {
    answering(200, { decisions: [aRecord('../a&b')] });
    assert.deepEqual((await askDecision(admin, '../a&b', NEVER)) as unknown, aRecord('../a&b'));
    assert.equal(port.asked[0]?.path, '/debug/decisions?id=..%2Fa%26b&limit=1');
  });

  it('says that a decision is not known', async () => {
    answering(200, { decisions: [] });
    assert.match(
      await failure(askDecision(admin, 'r-1', NEVER)),
      /knows no decision for the request r-1\. It keeps/,
    );
    assert.match(await failure(askDecision(admin, '\u001b[2J', NEVER)), /for the request {2}\[2J\./);
  });

  for (const [what, status, content, message] of [
    [
      'is refused',
      403,
      { error: 'only served here' },
      /refuses to tell: only served here\. Run this on .*ADMIN_DEBUG=true/,
    ],
    ['is refused by something else', 403, 'no', /refuses to tell: it says 403/],
    ['is told what is wrong', 400, { error: 'path: bad' }, /answers 400: path: bad$/],
    ['finds something else', 404, 'Not Found', /answers 404: it is no admin port of Warmroute/],
    ['finds an older version', 404, { error: 'not found' }, /or one of a version without decisions/],
    ['finds a page', 200, '<html>', /answers 200: it is no admin port/],
    ['finds a number', 200, '7', /answers 200: it is no admin port/],
  ] as const) {
    it(`says so when it ${what}`, async () => {
      answering(status, content);
      assert.match(await failure(askDecision(admin, 'r', NEVER)), message);
    });
  }

  it('takes nothing for a decision that is none', async () => {
    for (const content of [
      {},
      [],
      { decisions: 'all' },
      { decisions: ['x'] },
      { decisions: [{ id: 'r', outcome: 'routed' }] },
    ]) {
      answering(200, content);
      const request = { path: '/v1/x', headers: {}, body: Buffer.from('{}') };
      for (const asking of [askDecision(admin, 'r', NEVER), askDryRun(admin, request, NEVER)])
        assert.match(await failure(asking), /answers, but not with decisions: it is no admin port/);
    }
  });

  it('says that nobody listens, or that the answer is too long', async () => {
    const nobody = new URL(`http://127.0.0.1:${await freePort()}`);
    assert.match(
      await failure(askDecision(nobody, 'r', NEVER)),
      /cannot be asked: .*ECONNREFUSED.*WARMROUTE_ADMIN_ADDRESS.*--admin/,
    );
    answer = response => void response.end(Buffer.alloc((16 << 20) + 1));
    assert.match(await failure(askDecision(admin, 'r', NEVER)), /its answer is too long/);
  });

  it('ends with the process', async () => {
    answer = () => {};
    const ending = new AbortController();
    const asking = askDecision(admin, 'r', ending.signal);
    ending.abort(new Error('SIGTERM'));
    await asking.then(
      () => assert.fail('answered'),
      error => assert.equal(error.message, 'SIGTERM'),
    );
  });
});
