/** A scripted Envoy: the client side of ext_proc and of gRPC health checks, on one real connection. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { loadExternalProcessor } from '../../src/extproc/protos.ts';
import type { WireRequest, WireResponse } from '../../src/extproc/wire.ts';

const { Process } = loadExternalProcessor();
interface HealthMethod {
  readonly path: string;
  readonly requestSerialize: (request: { service: string }) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => { status: string };
}
const { Check, Watch } = healthService as unknown as Record<'Check' | 'Watch', HealthMethod>;

/** Values in order of arrival, for one reader. Reading fails once nothing more can come. */
class Inbox<T> {
  readonly #values: T[] = [];
  readonly #readers: PromiseWithResolvers<T>[] = [];
  #closed: string | undefined;

  push(value: T): void {
    const reader = this.#readers.shift();
    if (reader) reader.resolve(value);
    else this.#values.push(value);
  }

  close(why: string): void {
    this.#closed = why;
    for (const reader of this.#readers.splice(0)) reader.reject(new Error(why));
  }

  /** What came and was not read. */
  get unread(): readonly T[] {
    return this.#values;
  }

  next(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift()!);
    if (this.#closed !== undefined) return Promise.reject(new Error(this.#closed));
    const reader = Promise.withResolvers<T>();
    this.#readers.push(reader);
    return reader.promise;
  }
}

/** One HTTP request's ext_proc stream. */
export class FakeEnvoyStream {
  /** How the server ended the stream, or how we did. Never rejects. */
  readonly status: Promise<StatusObject>;
  readonly #call: ClientDuplexStream<WireRequest, WireResponse>;
  readonly #replies = new Inbox<WireResponse>();

  constructor(call: ClientDuplexStream<WireRequest, WireResponse>) {
    this.#call = call;
    call.on('data', (reply: WireResponse) => this.#replies.push(reply));
    call.on('error', () => {});
    this.status = new Promise(resolve =>
      call.on('status', status => {
        this.#replies.close(`the stream has ended: ${status.code} ${status.details}`);
        resolve(status);
      }),
    );
  }

  send(...messages: WireRequest[]): this {
    for (const message of messages) this.#call.write(message);
    return this;
  }

  /** Rejects when the stream ends first. */
  reply(): Promise<WireResponse> {
    return this.#replies.next();
  }

  get unreadReplies(): readonly WireResponse[] {
    return this.#replies.unread;
  }

  /** As Envoy does with `ext_proc_graceful_grpc_close`. */
  async halfClose(): Promise<StatusObject> {
    this.#call.end();
    return this.status;
  }

  /** RST_STREAM, as Envoy does otherwise. */
  async reset(): Promise<StatusObject> {
    this.#call.cancel();
    return this.status;
  }
}

/** Health as Envoy's active health check reads it, change by change. */
export class FakeHealthWatch {
  readonly #call: ClientReadableStream<{ status: string }>;
  readonly #changes = new Inbox<string>();

  constructor(call: ClientReadableStream<{ status: string }>) {
    this.#call = call;
    call.on('data', ({ status }: { status: string }) => this.#changes.push(status));
    call.on('error', () => {});
    call.on('status', () => this.#changes.close('the watch has ended'));
  }

  next(): Promise<string> {
    return this.#changes.next();
  }

  stop(): void {
    this.#call.cancel();
  }
}

/** How Envoy dials. Without a `ca` it verifies nobody. */
export type DialledBy =
  | { readonly kind: 'plain_text' }
  | {
      readonly kind: 'tls';
      readonly ca?: string;
      readonly client?: { readonly cert: string; readonly key: string };
    };

function credentialsOf(by: DialledBy): ChannelCredentials {
  if (by.kind === 'plain_text') return credentials.createInsecure();
  const { ca, client } = by;
  const bytes = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  return credentials.createSsl(bytes(ca), bytes(client?.key), bytes(client?.cert), {
    rejectUnauthorized: ca !== undefined,
  });
}

export class FakeEnvoy {
  readonly #client: Client;

  constructor(port: number, by: DialledBy = { kind: 'plain_text' }) {
    this.#client = new Client(`127.0.0.1:${port}`, credentialsOf(by), {
      ...(by.kind === 'tls' && { 'grpc.ssl_target_name_override': 'localhost' }),
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
    });
  }

  /** `metadata`: of the gRPC call, where Envoy's tracer puts its span. */
  open(metadata: Readonly<Record<string, string>> = {}): FakeEnvoyStream {
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    return new FakeEnvoyStream(
      this.#client.makeBidiStreamRequest(
        Process.path,
        Process.requestSerialize,
        Process.responseDeserialize,
        sent,
      ),
    );
  }

  /** Rejects for a name that the server does not know. */
  health(service: string): Promise<string> {
    return new Promise((resolve, reject) =>
      this.#client.makeUnaryRequest(
        Check.path,
        Check.requestSerialize,
        Check.responseDeserialize,
        { service },
        (error, reply) => (error ? reject(error) : resolve(reply!.status)),
      ),
    );
  }

  watchHealth(service: string): FakeHealthWatch {
    return new FakeHealthWatch(
      this.#client.makeServerStreamRequest(Watch.path, Watch.requestSerialize, Watch.responseDeserialize, {
        service,
      }),
    );
  }

  close(): void {
    this.#client.close();
  }
}

/** The same on bare HTTP/2, for what a gRPC client hides: GOAWAY, resets and the loss of the connection. */
export class RawEnvoy {
  readonly #session: ClientHttp2Session;
  /** Error codes of the GOAWAY frames that came. */
  readonly goaways: number[] = [];

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    session.on('goaway', code => this.goaways.push(code));
    session.on('error', () => {});
  }

  static async connect(port: number, by: DialledBy = { kind: 'plain_text' }): Promise<RawEnvoy> {
    const { ca, client } = by.kind === 'tls' ? by : {};
    const session = connect(`${by.kind === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`, {
      ...{ ca, ...client },
      servername: 'localhost',
      rejectUnauthorized: ca !== undefined,
    });
    await once(session, 'remoteSettings');
    return new RawEnvoy(session);
  }

  /** Of the certificate that the server has shown. */
  get serialNumber(): string {
    return (this.#session.socket as TLSSocket).getPeerCertificate().serialNumber;
  }

  open(...messages: WireRequest[]): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': Process.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    for (const message of messages) stream.write(framed(message));
    return stream;
  }

  /** Opens a stream, sends the messages and resets it, as Envoy does at the end of every request by default. */
  async openAndReset(...messages: WireRequest[]): Promise<void> {
    const stream = this.open(...messages);
    const closed = once(stream, 'close');
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
  }

  /** The next GOAWAY: the server takes no new streams on this connection. */
  async goaway(): Promise<void> {
    await once(this.#session, 'goaway');
  }

  /** The connection is gone without a word. */
  drop(): void {
    this.#session.destroy();
  }
}

/** A request as it is written to a stream of {@link RawEnvoy}. */
export function framed(message: WireRequest): Buffer {
  return grpcFrame(Process.requestSerialize(message));
}

/** A message as gRPC frames it: not compressed, length, bytes. */
function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
