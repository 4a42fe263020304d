import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { WireRequest, WireResponse } from './wire.ts';

/** The vendored definitions; beside `src/` in a checkout and beside `dist/` in the package. */
export const PROTO_FOLDER = fileURLToPath(new URL('../../protos/', import.meta.url));
export const EXT_PROC_PROTO = 'envoy/service/ext_proc/v3/external_processor.proto';
/**
 * How messages are read and written; `npm run generate` makes their types by the same. `defaults` stays off: absent fields cost
 * nothing and say more.
 */
export const LOAD_OPTIONS = { keepCase: true, longs: String, enums: String, oneofs: true } as const;
export const EXTERNAL_PROCESSOR = 'envoy.service.ext_proc.v3.ExternalProcessor';

export interface ExternalProcessorService extends ServiceDefinition {
  readonly Process: ServiceDefinition[string] & {
    readonly requestSerialize: (value: WireRequest) => Buffer;
    readonly requestDeserialize: (bytes: Buffer) => WireRequest;
    readonly responseSerialize: (value: WireResponse) => Buffer;
    readonly responseDeserialize: (bytes: Buffer) => WireResponse;
  };
}

/** The service definition. */
export function loadExternalProcessor(): ExternalProcessorService {
  const definition = loadSync(EXT_PROC_PROTO, { ...LOAD_OPTIONS, includeDirs: [PROTO_FOLDER] });
  let node: unknown = loadPackageDefinition(definition);
  for (const part of EXTERNAL_PROCESSOR.split('.')) node = (node as Record<string, unknown>)[part];
  const { service } = node as { service: ExternalProcessorService };
  const { Process } = service;
  return { ...service, Process: { ...Process, responseSerialize: frozenOnce(Process.responseSerialize) } };
}

/** Frozen values are always the same: each is serialized once. */
function frozenOnce<T extends object>(serialize: (value: T) => Buffer): (value: T) => Buffer {
  const serialized = new WeakMap<T, Buffer>();
  return value => {
    if (!Object.isFrozen(value)) return serialize(value);
    let bytes = serialized.get(value);
    if (bytes === undefined) {
      bytes = serialize(value);
      serialized.set(value, bytes);
    }
    return bytes;
  };
}
