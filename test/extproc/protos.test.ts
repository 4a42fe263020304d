import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { assert } from 'chai';
import { EXTERNAL_PROCESSOR, loadExternalProcessor, PROTO_FOLDER } from '../../src/extproc/protos.ts';
import { requestHeaders } from '../support/envoy-messages.ts';

const ROOT = 'envoy/service/ext_proc/v3/external_processor.proto';

/** SHA-256 of each file as published upstream; `protos/README.md` names the commits. */
const PUBLISHED: Readonly<Record<string, string>> = {
  'envoy/annotations/deprecation.proto': 'bc72a2deefc60cacdb0f49380e1c92028078e219b02993d6772e2854a8929b36',
  'envoy/config/core/v3/address.proto': 'e5fb1fd11e4e860bd72888612a0b4fa1d2084a2e2233154aae5c4df7b40bc99b',
  'envoy/config/core/v3/backoff.proto': 'f347a6a36616ea6735ff031b546d10cc79aaae17da3a60e8174479c7f75ac53e',
  'envoy/config/core/v3/base.proto': '6b1b4e9163c3d5e50054a68f8aad675ea17be457f2692837c9a6b73090b10ff9',
  'envoy/config/core/v3/extension.proto': '860106c686cab11106159f462243ce4009cbc405f197df7df8ab423af71a82a7',
  'envoy/config/core/v3/http_uri.proto': 'ef5c59234f0be07a23327d695afc65435ef5052941a63184795b0d300fccf1e6',
  'envoy/config/core/v3/socket_option.proto':
    '91333eab21e091b64e46f66ed7bb5b9b92c912c48c5113d46098dd31458fa3c2',
  'envoy/extensions/filters/http/ext_proc/v3/processing_mode.proto':
    '37e04b9e1bda21d24929b244e3d502d165698f9ef1ef619f10a41609eb31d0e5',
  'envoy/service/ext_proc/v3/external_processor.proto':
    'cb1e9cc36c865a2d4a9983bd7774e6f10d26041eb86b67be0eaa158d707dbd0e',
  'envoy/type/v3/http_status.proto': 'd46c670810e539fabf6c8204d9a33dd135f092ef5896d6c37193999e38a3952c',
  'envoy/type/v3/percent.proto': 'b5b5ea7f6264f465ce4b398601e855b62395e3c83e4bb7e0d9d4ebae788210ca',
  'envoy/type/v3/semantic_version.proto': '71cc18d6cbbccd0e3a027d3499bbdbe0a7e74cdf125565f36843736027cc8cc5',
  'udpa/annotations/migrate.proto': '4fb5c329d0ac560e0c127b2f2d3368fb2038d093961202dba8700fd4f1308a86',
  'udpa/annotations/status.proto': '038771f31b67fc4d5be4b41eb08e5846bd4e972d3aa73674097706a8aac9e697',
  'udpa/annotations/versioning.proto': 'd53f268b4a2b69a6067ff06a43486fb2a2a0d65a3405d3cf43e82192818e2d27',
  'validate/validate.proto': '68c9625ebe0668605a37670db1759ceb03864bc07c52eee919b049347cbc018c',
  'xds/annotations/v3/status.proto': '0145b2d9437ace6c1201453cd57d44c96e2e89894e502c2d869e8ee2b59b8c19',
  'xds/core/v3/context_params.proto': '912801a580c04553d75a0099d16206a668dd609277c860b6d05d86f8cbddc11c',
};

/** Every file that the root imports, at any distance; protobufjs brings `google/protobuf` itself. */
function importClosure(root: string): string[] {
  const found = new Set<string>();
  const pending = [root];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (found.has(file) || file.startsWith('google/protobuf/')) continue;
    found.add(file);
    const text = readFileSync(`${PROTO_FOLDER}${file}`, 'utf8');
    for (const [, imported] of text.matchAll(/^import\s+(?:public\s+|weak\s+)?"([^"]+)";/gm))
      pending.push(imported!);
  }
  return [...found].sort();
}

describe('The vendored protocol definitions', () => {
  it('are exactly what external_processor.proto imports', () => {
    const stored = readdirSync(PROTO_FOLDER, { recursive: true, encoding: 'utf8' });
    const files = stored.filter(name => name.endsWith('.proto')).sort();
    assert.deepEqual(files, importClosure(ROOT));
    assert.deepEqual(files, Object.keys(PUBLISHED).sort());
    assert.lengthOf(files, 18);
  });

  for (const [file, sha256] of Object.entries(PUBLISHED)) {
    it(`hold ${file} unmodified`, () => {
      const bytes = readFileSync(`${PROTO_FOLDER}${file}`);
      assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
    });
  }

  it('give a service that reads and writes messages', () => {
    const { Process } = loadExternalProcessor();
    assert.equal(Process.path, `/${EXTERNAL_PROCESSOR}/Process`);
    assert.isTrue(Process.requestStream && Process.responseStream);
    const sent = requestHeaders({ config: { request_body_mode: 'FULL_DUPLEX_STREAMED' } });
    const read = Process.requestDeserialize(Process.requestSerialize(sent));
    assert.equal(read.protocol_config?.request_body_mode, 'FULL_DUPLEX_STREAMED');
    assert.deepEqual(read.request_headers?.headers?.headers, sent.request_headers?.headers?.headers);
  });
});
