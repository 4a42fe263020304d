import { assert } from 'chai';
import fc from 'fast-check';
import { endpointOf, type RoutedDecision } from '../../src/domain.ts';
import { FORGEABLE } from '../../src/extproc/headers.ts';
import { loadExternalProcessor } from '../../src/extproc/protos.ts';
import * as reply from '../../src/extproc/replies.ts';
import type { WireResponse } from '../../src/extproc/wire.ts';
import { aPod, aRoutedDecision } from '../support/builders.ts';
import { headersSet } from '../support/envoy-messages.ts';

const { Process } = loadExternalProcessor();
const DECISION = aRoutedDecision({ matchedBlocks: 0, totalBlocks: 7 });
const DISCLOSES_ALL: reply.Disclosure = { debugHeaders: 'allowed', targetHeaders: 'warmroute' };
const DISCLOSES_NOTHING: reply.Disclosure = { debugHeaders: 'off', targetHeaders: 'off' };
const MUTATION = reply.mutationOf(DECISION, {
  requestId: 'request-1',
  disclosure: DISCLOSES_ALL,
  destinationEndpoints: 1,
});
const USUAL = { forged: FORGEABLE, targetHeaders: 'off' } as const;
const PHASES: readonly reply.Phase[] = [
  'request_headers',
  'request_body',
  'request_trailers',
  'response_headers',
  'response_body',
  'response_trailers',
];

const BUILT: Readonly<Record<string, WireResponse>> = {
  ...Object.fromEntries(PHASES.map(phase => [`the neutral reply to ${phase}`, reply.neutral(phase)])),
  'a reply to the headers without a decision': reply.requestHeaders(USUAL),
  'a reply to the headers that lets the pod be told': reply.requestHeaders({
    ...USUAL,
    targetHeaders: 'warmroute',
  }),
  'a reply to the headers with a decision': reply.requestHeaders({ ...USUAL, mutation: MUTATION }),
  'a reply to the headers that asks for the body': reply.requestHeaders({
    ...USUAL,
    override: {
      request_body_mode: 'BUFFERED',
      response_body_mode: 'NONE',
      response_header_mode: 'SEND',
    },
  }),
  'a reply to the headers that declines the rest': reply.requestHeaders({
    ...USUAL,
    override: {
      request_body_mode: 'NONE',
      response_body_mode: 'NONE',
      response_header_mode: 'SKIP',
      request_trailer_mode: 'SKIP',
      response_trailer_mode: 'SKIP',
    },
  }),
  'a reply to the body with a decision': reply.requestBody(MUTATION),
  'a piece of an echoed request': reply.streamedBody('request_body', Buffer.from('ab'), 'more_follows')[0]!,
  'the end of an echoed response': reply.streamedBody(
    'response_body',
    Buffer.from([0, 255]),
    'end_of_stream',
  )[0]!,
  'a reply to the response headers': reply.responseHeaders({ 'target-pod': 'engine-0' }),
  'a reply to the response headers that asks for the body': reply.responseHeaders(
    { 'request-id': 'x' },
    { request_body_mode: 'BUFFERED', response_body_mode: 'STREAMED', response_header_mode: 'SEND' },
  ),
  'an answer of our own': reply.ownAnswer({ status: 200, headers: { a: 'b' }, body: '{}', details: 'x' }),
  'an answer to the client': reply.immediate(
    { kind: 'unknown_model', model: 'é' },
    { shape: 'openai', models: [] },
  ),
};

/** How `enums: String` reads the statuses that we answer with. */
const HTTP_STATUS: Readonly<Record<string, number>> = { OK: 200, BadRequest: 400, NotFound: 404 };

/** Fails unless `read` holds all of `built`, and beyond it only the names of set oneof members, which the reader adds. */
function assertKept(read: unknown, built: unknown, at: string): void {
  if (Buffer.isBuffer(built)) {
    assert.isTrue(Buffer.isBuffer(read) && read.equals(built), `bytes at ${at}`);
  } else if (typeof built === 'object' && built !== null) {
    assert.isObject(Array.isArray(read) ? {} : read, at);
    const [was, is] = [built as Record<string, unknown>, read as Record<string, unknown>];
    for (const key of Object.keys(was)) assertKept(is[key], was[key], `${at}.${key}`);
    for (const key of Object.keys(is)) {
      if (!Object.hasOwn(was, key)) assert.property(was, String(is[key]), `${at}.${key} is new`);
    }
  } else {
    assert.strictEqual(at.endsWith('.status.code') ? HTTP_STATUS[String(read)] : read, built, at);
  }
}

describe('A reply', () => {
  for (const [what, built] of Object.entries(BUILT)) {
    it(`keeps every field on the wire: ${what}`, () => {
      const read = Process.responseDeserialize(Process.responseSerialize(built));
      assertKept(read, built, 'reply');
    });

    it(`is of one kind, since Envoy silently keeps the last of several: ${what}`, () => {
      const kinds = Object.keys(built).filter(key => key !== 'dynamic_metadata' && key !== 'mode_override');
      assert.lengthOf(kinds, 1);
    });
  }

  it('that is misspelt is noticed by this test', () => {
    for (const built of [
      {
        ...BUILT['a reply to the body with a decision'],
        dynamic_metadata: { fields: { a: { string_value: 'b' } } },
      },
      { request_headers: { response: { header_mutations: {} } } },
    ]) {
      const read = Process.responseDeserialize(Process.responseSerialize(built as WireResponse));
      assert.throws(() => assertKept(read, built, 'reply'));
    }
  });

  it('never uses `value` for a header, and overwrites what is there', () => {
    let options = 0;
    for (const built of Object.values(BUILT)) {
      const common = built.request_headers ?? built.request_body ?? built.response_headers;
      const mutation = common?.response?.header_mutation ?? built.immediate_response?.headers;
      for (const option of mutation?.set_headers ?? []) {
        options++;
        assert.hasAllKeys(option.header, ['key', 'raw_value']);
        assert.deepEqual(option.append, { value: false });
        assert.equal(option.append_action, 'OVERWRITE_IF_EXISTS_OR_ADD');
      }
    }
    assert.isAbove(options, 10);
  });

  it('with a decision carries headers, route refresh and metadata in one message', () => {
    const decision = aRoutedDecision({ pod: aPod({ name: 'engine-6', ip: 'fd00::1', port: 9000 }) });
    const mutation = reply.mutationOf(decision, {
      requestId: 'request-1',
      disclosure: DISCLOSES_ALL,
      destinationEndpoints: 1,
    });
    const told = mutation.response.header_mutation!.set_headers!.map(({ header }) => [
      header!.key,
      String(header!.raw_value),
    ]);
    assert.deepEqual(Object.fromEntries(told), {
      'target-pod': '[fd00::1]:9000',
      'x-gateway-destination-endpoint': '[fd00::1]:9000',
      'routing-strategy': 'prefix-cache',
      'x-request-id': 'request-1',
    });
    assert.isTrue(mutation.response.clear_route_cache);
    assert.deepEqual(mutation.metadata, {
      fields: {
        'envoy.lb': {
          structValue: { fields: { 'x-gateway-destination-endpoint': { stringValue: '[fd00::1]:9000' } } },
        },
        warmroute: {
          structValue: {
            fields: {
              endpoints: { stringValue: '[fd00::1]:9000,127.0.0.1:8001,127.0.0.1:8000' },
              retry_1: { stringValue: '127.0.0.1:8001' },
              retry_2: { stringValue: '127.0.0.1:8000' },
              decision: { stringValue: 'prefix_match' },
              target_headers: { stringValue: 'warmroute' },
              pod: { stringValue: 'engine-6' },
              matched_blocks: { numberValue: 3 },
              total_blocks: { numberValue: 4 },
            },
          },
        },
      },
    });
    const { header_mutation } = reply.requestHeaders({ ...USUAL, mutation }).request_headers!.response!;
    assert.deepEqual(header_mutation, { ...mutation.response.header_mutation, remove_headers: FORGEABLE });
  });
});

describe('The destination of a request', () => {
  const pods = Array.from({ length: 10 }, (_, i) =>
    aPod({ name: `engine-${i}`, ip: `fd00::${i}:ffff`, port: 8000 }),
  );
  const destinations = (given: Partial<RoutedDecision>, destinationEndpoints: number) => {
    const decision = aRoutedDecision({ pod: pods[0]!, ...given });
    const { response, metadata } = reply.mutationOf(decision, {
      ...{ requestId: '', disclosure: DISCLOSES_NOTHING, destinationEndpoints },
    });
    const set = headersSet(response.header_mutation);
    const lb = metadata.fields!['envoy.lb'] as {
      structValue: { fields: Record<string, { stringValue: string }> };
    };
    const destination = set.get('x-gateway-destination-endpoint');
    assert.equal(lb.structValue.fields['x-gateway-destination-endpoint']?.stringValue, destination);
    assert.equal(set.get('target-pod'), endpointOf(pods[0]!), 'one address alone');
    return destination?.split(',');
  };
  const upTo = (count: number) => pods.slice(0, count).map(endpointOf);

  it('is the pick, then the others in order, as many as are wanted', () => {
    for (const most of [1, 2, 3, 8])
      assert.deepEqual(destinations({ retries: pods.slice(1, 8) }, most), upTo(most));
  });

  it('names each pod once', () => {
    assert.deepEqual(destinations({ retries: [pods[1]!, pods[0]!] }, 8), upTo(2));
    assert.deepEqual(destinations({ retries: [pods[0]!, pods[0]!] }, 8), upTo(1));
  });
});

describe('What a reply tells', () => {
  const metadataOf = (disclosure: reply.Disclosure) => {
    const { metadata } = reply.mutationOf(DECISION, { requestId: '', disclosure, destinationEndpoints: 1 });
    const { warmroute, 'envoy.lb': lb } = metadata.fields as unknown as Record<
      string,
      { structValue: { fields: object } }
    >;
    assert.hasAllKeys(lb!.structValue.fields, ['x-gateway-destination-endpoint'], 'what Envoy balances by');
    const { endpoints, retry_1, retry_2, ...told } = warmroute!.structValue.fields as Record<string, unknown>;
    const next = ['127.0.0.1:8001', '127.0.0.1:8000'];
    assert.deepEqual(
      [endpoints, retry_1, retry_2],
      [`127.0.0.1:8000,${next}`, ...next].map(stringValue => ({ stringValue })),
      'whom Envoy tries, in order',
    );
    return told;
  };

  it('is the reason, and of pods and blocks nothing where debug headers are off', () => {
    assert.deepEqual(metadataOf(DISCLOSES_NOTHING), { decision: { stringValue: 'prefix_match' } });
    assert.hasAllKeys(metadataOf({ ...DISCLOSES_NOTHING, targetHeaders: 'aibrix' }), ['decision']);
    assert.hasAllKeys(metadataOf({ ...DISCLOSES_NOTHING, targetHeaders: 'warmroute' }), [
      'decision',
      'target_headers',
    ]);
    const debug = ['decision', 'pod', 'matched_blocks', 'total_blocks'];
    assert.hasAllKeys(metadataOf({ ...DISCLOSES_NOTHING, debugHeaders: 'allowed' }), debug);
  });

  it('lets the pod be told of requests that are not routed, too', () => {
    const shown = {
      fields: { warmroute: { structValue: { fields: { target_headers: { stringValue: 'warmroute' } } } } },
    };
    for (const [targetHeaders, told] of [
      ['warmroute', shown],
      ['aibrix', undefined],
      ['off', undefined],
    ] as const) {
      assert.deepEqual(reply.requestHeaders({ ...USUAL, targetHeaders }).dynamic_metadata, told);
    }
  });

  it('is made once where it is always the same', () => {
    assert.isFrozen(reply.requestHeaders(USUAL));
    assert.strictEqual(reply.requestHeaders(USUAL), reply.requestHeaders({ ...USUAL }));
  });
});

describe('An echoed body', () => {
  it('comes in chunks of 62,000 bytes at most, whole, with the end on the last one only', () => {
    const sizes = fc.oneof(
      fc.nat(200_000),
      fc.constantFrom(0, 1, 61_999, 62_000, 62_001, 123_999, 124_000, 124_001),
    );
    fc.assert(
      fc.property(
        sizes,
        fc.constantFrom('end_of_stream' as const, 'more_follows' as const),
        fc.constantFrom('request_body' as const, 'response_body' as const),
        (size, end, phase) => {
          const body = Buffer.alloc(size, 'the quick brown fox');
          const replies = reply.streamedBody(phase, body, end);
          const chunks = replies.map(one => one[phase]!.response!.body_mutation!.streamed_response!);
          assert.isTrue(Buffer.concat(chunks.map(chunk => chunk.body!)).equals(body));
          assert.lengthOf(chunks, Math.max(1, Math.ceil(size / 62_000)));
          for (const [i, chunk] of chunks.entries()) {
            assert.isAtMost(chunk.body!.length, 62_000);
            assert.equal(chunk.end_of_stream, end === 'end_of_stream' && i === chunks.length - 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
