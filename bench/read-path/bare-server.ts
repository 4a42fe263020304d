/** The least that an ext_proc server on grpc-js can do: it parses the body and names a pod. Forked by its bench. */
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { loadExternalProcessor } from '../../src/extproc/protos.ts';
import type { WireRequest, WireResponse } from '../../src/extproc/wire.ts';
import { answerBench } from '../support/servers.ts';

const server = new Server({ 'grpc.max_receive_message_length': 1 << 24 });
server.addService(loadExternalProcessor(), {
  Process: (call: ServerDuplexStream<WireRequest, WireResponse>) => {
    call.on('data', (message: WireRequest) => call.write(replyTo(message)));
    call.on('end', () => call.end());
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  answerBench(port);
});

function replyTo({ request_body: sent }: WireRequest): WireResponse {
  if (sent === undefined) return { request_headers: { response: {} } };
  const { model } = JSON.parse(sent.body!.toString()) as { readonly model: string };
  const header = { key: 'target-pod', raw_value: Buffer.from(`127.0.0.1:${8_000 + model.length / 4}`) };
  const option = { header, append: { value: false }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } as const;
  return {
    request_body: { response: { header_mutation: { set_headers: [option] }, clear_route_cache: true } },
  };
}
