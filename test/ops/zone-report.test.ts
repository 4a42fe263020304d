import { assert } from 'chai';
import { reportZones } from '../../src/ops/zone-report.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { aPod, recordingLog } from '../support/builders.ts';

/** What is logged while there are ready pods in these zones, one list after the other. */
function said(own: string | undefined, penaltyMs: number, ...times: (readonly (string | undefined)[])[]) {
  const { log, lines } = recordingLog();
  const registry = new PodRegistry();
  registry.subscribe({ joined() {}, left() {}, ...reportZones({ own, penaltyMs }, registry, log) });
  for (const zones of times) {
    const pods = zones.map((zone, i) => aPod({ name: `pod-${i}`, port: 1 + i, ...(zone && { zone }) }));
    registry.replace(pods.map(pod => ({ spec: { ...pod, address: pod.ip }, pods: [pod] })));
  }
  return lines.map(({ level, message }) => `${level}: ${message.split(':')[0]}`);
}

const UNSET = 'warn: pods are in several zones, and WARMROUTE_ZONE is not set';
const NONE = 'warn: no pod that may be picked is in WARMROUTE_ZONE';
const UNKNOWN = 'warn: WARMROUTE_ZONE is set, and no pod says which zone it is in';
const AGAIN = 'info: zones matter again as they are set';

describe('the report on zones', () => {
  it('says once that the router’s own is not set, where pods are in several', () => {
    assert.deepEqual(said(undefined, 10, ['a', 'b'], ['a', 'b', 'c']), [UNSET]);
    assert.isEmpty(said(undefined, 10, ['a', 'a'], [undefined, undefined]));
  });

  it('says when the router’s zone has no pods, and when it has some again', () => {
    assert.deepEqual(said('a', 10, ['a', 'b'], ['b'], ['b', 'c'], ['a']), [NONE, AGAIN]);
    assert.deepEqual(said('a', 10, [undefined]), [UNKNOWN]);
  });

  it('says nothing while there are no pods, or where zones cost nothing', () => {
    assert.deepEqual(said('a', 10, ['b'], [], ['b']), [NONE]);
    assert.isEmpty(said(undefined, 0, ['a', 'b']));
    assert.isEmpty(said('c', 0, ['a', 'b']));
  });
});
