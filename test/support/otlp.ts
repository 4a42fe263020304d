/** Reads what exporters send to a collector of traces: `opentelemetry.proto.collector.trace.v1`, as far as tests look at it. */
import { fromJSON } from '@grpc/proto-loader';
import type { Post } from './trace-collector.ts';

export interface OtlpSpan {
  /** `service.name` of its resource. */
  readonly service: string;
  readonly name: string;
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT';
  readonly traceId: string;
  readonly spanId: string;
  /** undefined: it is the first one. */
  readonly parentId: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

const field = (id: number, type: string) => ({ id, type });
const list = (id: number, type: string) => ({ id, type, rule: 'repeated' });

const definitions = fromJSON(
  {
    nested: {
      Value: {
        fields: {
          stringValue: field(1, 'string'),
          boolValue: field(2, 'bool'),
          intValue: field(3, 'int64'),
          doubleValue: field(4, 'double'),
        },
      },
      Attribute: { fields: { key: field(1, 'string'), value: field(2, 'Value') } },
      Resource: { fields: { attributes: list(1, 'Attribute') } },
      Span: {
        fields: {
          traceId: field(1, 'bytes'),
          spanId: field(2, 'bytes'),
          parentSpanId: field(4, 'bytes'),
          name: field(5, 'string'),
          kind: field(6, 'int32'),
          attributes: list(9, 'Attribute'),
        },
      },
      ScopeSpans: { fields: { spans: list(2, 'Span') } },
      ResourceSpans: { fields: { resource: field(1, 'Resource'), scopeSpans: list(2, 'ScopeSpans') } },
      Request: { fields: { resourceSpans: list(1, 'ResourceSpans') } },
      Response: { fields: {} },
      Traces: { methods: { Export: { requestType: 'Request', responseType: 'Response', comment: '' } } },
    },
  },
  { longs: Number, arrays: true },
);

interface Attribute {
  readonly key: string;
  readonly value?: Readonly<Record<string, string | number | boolean>>;
}
interface WireSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId?: Buffer;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly Attribute[];
}
interface WireRequest {
  readonly resourceSpans: readonly {
    readonly resource?: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

const KINDS = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT'] as const;

/** All spans that came by gRPC. */
export function spansIn(posts: readonly Post[]): OtlpSpan[] {
  const { Export } = definitions.Traces as unknown as {
    readonly Export: { readonly requestDeserialize: (bytes: Buffer) => WireRequest };
  };
  return posts.flatMap(({ body }) =>
    messagesIn(body).flatMap(message =>
      Export.requestDeserialize(message).resourceSpans.flatMap(({ resource, scopeSpans }) => {
        const service = String(attributesOf(resource?.attributes ?? [])['service.name']);
        return scopeSpans.flatMap(({ spans }) => spans.map(span => spanOf(service, span)));
      }),
    ),
  );
}

function spanOf(service: string, span: WireSpan): OtlpSpan {
  const { name, kind, traceId, spanId, parentSpanId } = span;
  return {
    ...{ service, name, kind: KINDS[kind]! },
    traceId: traceId.toString('hex'),
    spanId: spanId.toString('hex'),
    parentId: parentSpanId?.length ? parentSpanId.toString('hex') : undefined,
    attributes: attributesOf(span.attributes),
  };
}

function attributesOf(attributes: readonly Attribute[]): OtlpSpan['attributes'] {
  return Object.fromEntries(attributes.map(({ key, value = {} }) => [key, Object.values(value)[0] ?? '']));
}

/** As gRPC frames them: a byte that says whether it is compressed, four with the length. */
function messagesIn(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return messages;
}
