/**
 * AIBrix's `prefix-cache` (vllm-project/aibrix, pkg/plugins/gateway/algorithms/prefix_cache.go, commit e3e10f9e, August 2026), which the router's own strategy of this
 * name is, number for number; its table test is test/routing/policy.test.ts.
 */
import type { NamedPolicy } from '../../src/simulation/policy.ts';
import { routerPolicy } from '../../src/simulation/router-policies.ts';

export const aibrix: NamedPolicy = { ...routerPolicy('prefix-cache'), name: 'aibrix' };
