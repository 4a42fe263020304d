import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse } from 'yaml';
import type { Bootstrap } from '../../demo/envoy.ts';
import { READINESS_SERVICES } from '../../src/extproc/health.ts';
import { envoyFile } from '../support/envoy.ts';

interface HealthCheck {
  readonly grpc_health_check: { readonly service_name?: string };
}

for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'] as const) {
  describe(`The health check of the router (${file})`, () => {
    it('asks whether it is ready, not whether it lives', async () => {
      const { static_resources } = parse(await readFile(envoyFile(file), 'utf8')) as Bootstrap;
      const cluster = static_resources.clusters.find(({ name }) => name === 'warmroute_ext_proc');
      const { health_checks = [] } = cluster as unknown as { health_checks?: readonly HealthCheck[] };
      assert.isNotEmpty(health_checks);
      for (const { grpc_health_check } of health_checks)
        assert.oneOf(grpc_health_check.service_name, [...READINESS_SERVICES]);
    });
  });
}
