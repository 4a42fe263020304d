/**
 * The ext_proc messages as @grpc/proto-loader reads and writes them (`keepCase`, `enums: String`, `oneofs`, no defaults):
 * only the fields that are used. protobufjs drops a misspelt field silently, so replies are made by `replies.ts` alone and
 * a test sends each through the real definitions. Source: envoy/service/ext_proc/v3/external_processor.proto.
 */

export interface WireHeader {
  readonly key: string;
  readonly value?: string;
  /** Envoy fills only this one; in replies it is the only one that reaches the request. */
  readonly raw_value?: Buffer;
}

export interface WireHttpHeaders {
  readonly headers?: { readonly headers?: readonly WireHeader[] };
  readonly end_of_stream?: boolean;
}

export interface WireHttpBody {
  readonly body?: Buffer;
  readonly end_of_stream?: boolean;
}

export type WireBodyMode =
  | 'NONE'
  | 'STREAMED'
  | 'BUFFERED'
  | 'BUFFERED_PARTIAL'
  | 'FULL_DUPLEX_STREAMED'
  | 'GRPC';

export interface WireRequest {
  readonly request_headers?: WireHttpHeaders;
  readonly request_body?: WireHttpBody;
  readonly request_trailers?: object;
  readonly response_headers?: WireHttpHeaders;
  readonly response_body?: WireHttpBody;
  readonly response_trailers?: object;
  /** What Envoy forwards of a request's metadata (`forwarding_namespaces`). */
  readonly metadata_context?: { readonly filter_metadata?: Readonly<Record<string, WireStruct>> };
  /** By filter: what Envoy is configured to tell of a request or a response. */
  readonly attributes?: Readonly<Record<string, WireStruct>>;
  /** On the first message of a stream only; absent before Envoy 1.34. */
  readonly protocol_config?: {
    readonly request_body_mode?: WireBodyMode;
    readonly response_body_mode?: WireBodyMode;
    readonly send_body_without_waiting_for_header_response?: boolean;
  };
}

export interface WireHeaderOption {
  readonly header: { readonly key: string; readonly raw_value: Buffer };
  /** Envoy reads `append` and ignores `append_action`; other data planes do the opposite. */
  readonly append: { readonly value: boolean };
  readonly append_action: 'OVERWRITE_IF_EXISTS_OR_ADD';
}

export interface WireHeaderMutation {
  readonly set_headers?: readonly WireHeaderOption[];
  readonly remove_headers?: readonly string[];
}

export interface WireCommonResponse {
  readonly status?: 'CONTINUE';
  readonly header_mutation?: WireHeaderMutation;
  readonly body_mutation?: {
    readonly streamed_response: { readonly body: Buffer; readonly end_of_stream: boolean };
  };
  readonly clear_route_cache?: boolean;
}

/** `google.protobuf.Struct` is camelCase even with `keepCase`: protobufjs brings its own definition. */
export interface WireStruct {
  readonly fields: Readonly<Record<string, WireValue>>;
}
export type WireValue =
  | { readonly stringValue: string }
  | { readonly numberValue: number }
  | { readonly listValue: { readonly values?: readonly WireValue[] } }
  | { readonly structValue: WireStruct };

export interface WireModeOverride {
  /** Body modes are taken literally: unset means NONE. Header and trailer modes default to what is configured. */
  readonly request_body_mode: 'NONE' | 'BUFFERED';
  readonly response_body_mode: 'NONE' | 'STREAMED';
  readonly response_header_mode?: 'SEND' | 'SKIP';
  readonly request_trailer_mode?: 'SKIP';
  readonly response_trailer_mode?: 'SKIP';
}

export interface WireResponse {
  readonly request_headers?: { readonly response?: WireCommonResponse };
  readonly request_body?: { readonly response?: WireCommonResponse };
  readonly request_trailers?: Record<string, never>;
  readonly response_headers?: { readonly response?: WireCommonResponse };
  readonly response_body?: { readonly response?: WireCommonResponse };
  readonly response_trailers?: Record<string, never>;
  readonly immediate_response?: {
    readonly status: { readonly code: number };
    readonly headers: WireHeaderMutation;
    readonly body: Buffer;
    readonly details: string;
  };
  readonly dynamic_metadata?: WireStruct;
  readonly mode_override?: WireModeOverride;
}
