/**
 * The ext_proc messages as @grpc/proto-loader reads and writes them; `messages/` is generated from the vendored definitions. protobufjs
 * drops a misspelt field silently: here it does not compile.
 */
import type { HeaderValue } from './messages/envoy/config/core/v3/HeaderValue.ts';
import type { HeaderValueOption } from './messages/envoy/config/core/v3/HeaderValueOption.ts';
import type { ProcessingMode } from './messages/envoy/extensions/filters/http/ext_proc/v3/ProcessingMode.ts';
import type { CommonResponse } from './messages/envoy/service/ext_proc/v3/CommonResponse.ts';
import type { HeaderMutation } from './messages/envoy/service/ext_proc/v3/HeaderMutation.ts';
import type { HttpHeaders__Output } from './messages/envoy/service/ext_proc/v3/HttpHeaders.ts';
import type { ProcessingRequest__Output } from './messages/envoy/service/ext_proc/v3/ProcessingRequest.ts';
import type { ProcessingResponse } from './messages/envoy/service/ext_proc/v3/ProcessingResponse.ts';
import type { StatusCode } from './messages/envoy/type/v3/StatusCode.ts';
import type { Struct__Output } from './messages/google/protobuf/Struct.ts';
import type { Value__Output } from './messages/google/protobuf/Value.ts';

/**
 * As generated, read-only, and without what protobufjs would misread or nobody should write: bytes as strings (it takes them for
 * base64), null.
 */
type Wire<T> = T extends Buffer
  ? Buffer
  : T extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: WireField<T[Key]> }
      : T;
type WireField<T> = Uint8Array extends T
  ? Buffer
  : number extends T
    ? number
    : string extends T
      ? string
      : Wire<Exclude<T, null>>;

export type WireRequest = Wire<ProcessingRequest__Output>;
export type WireHttpHeaders = Wire<HttpHeaders__Output>;
export type WireHeader = Wire<HeaderValue>;
export type WireResponse = Wire<ProcessingResponse>;
export type WireCommonResponse = Wire<CommonResponse>;
export type WireHeaderMutation = Wire<HeaderMutation>;
export type WireHeaderOption = Wire<HeaderValueOption>;
export type WireStatusCode = Extract<StatusCode, number>;
export type WireModeOverride = Wire<ProcessingMode>;
export type WireBodyMode = Extract<WireModeOverride['request_body_mode'], string>;
/** `google.protobuf.Struct` is camelCase even with `keepCase`: protobufjs brings its own definition. */
export type WireStruct = Wire<Struct__Output>;
export type WireValue = Wire<Value__Output>;
