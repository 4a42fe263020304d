import { assert } from 'chai';
import { createPodLog } from '../../../src/ops/log/pod-log.ts';
import { PodRegistry } from '../../../src/pods/registry.ts';
import { entryAt } from '../../../src/pods/spec.ts';
import { type LogLine, recordingLog } from '../../support/builders.ts';

describe('the log of pods', () => {
  let registry: PodRegistry;
  let lines: LogLine[];

  beforeEach(() => {
    registry = new PodRegistry();
    const logged = recordingLog();
    lines = logged.lines;
    registry.subscribe(createPodLog(logged.log));
  });

  function replace(count: number, ip: string): string[] {
    lines.length = 0;
    registry.replace(
      Array.from({ length: count }, (_, i) => {
        const spec = { name: `pod-${i}`, address: ip, port: 8000 + i, model: 'm', aliases: [], labels: {} };
        return entryAt({ ...spec, kvEvents: { kind: 'none' } }, [ip]);
      }),
    );
    return lines.filter(({ level }) => level === 'info').map(({ message }) => message);
  }

  it('has a line for each of a few', () => {
    assert.deepEqual(replace(1, '10.0.0.1'), ['pod joined']);
    assert.deepEqual(lines[0]?.fields, {
      ...{ pod: 'pod-0', ip: '10.0.0.1', port: 8000, model: 'm', kvEvents: 'none' },
    });
    assert.deepEqual(replace(1, '10.0.0.2'), ['pod left', 'pod joined']);
  });

  it('says who is not ready any more, and who is ready again', () => {
    const all = Array.from({ length: 25 }, (_, i) => {
      const spec = {
        name: `pod-${i}`,
        address: '10.0.0.1',
        port: 8000 + i,
        model: 'm',
        aliases: [],
        labels: {},
      };
      return entryAt({ ...spec, kvEvents: { kind: 'none' } }, ['10.0.0.1']);
    });
    const withUnready = (count: number) => [
      ...all.slice(0, count).map(({ spec, pods }) => ({ spec, pods: [], unready: pods })),
      ...all.slice(count),
    ];
    const said = (count: number) => {
      lines.length = 0;
      registry.replace(withUnready(count));
      return lines.filter(({ level }) => level === 'info').map(({ message }) => message);
    };
    said(0);
    assert.match(said(1).join(), /^pod is not ready/);
    assert.deepEqual(said(0), ['pod is ready again']);
    assert.deepEqual(said(25), ['pods joined and left']);
    assert.deepEqual(lines[0]?.fields, { joined: 0, left: 0, unready: 25, readyAgain: 0 });
  });

  it('has one line for a whole fleet, and who it was at level debug', () => {
    assert.deepEqual(replace(1_000, '10.0.0.1'), ['pods joined and left']);
    assert.deepEqual(lines[0]?.fields, { joined: 1_000, left: 0 });
    assert.lengthOf(lines, 1_001);
    assert.deepEqual(replace(11, '10.0.0.1'), ['pods joined and left']);
    assert.deepEqual(lines[0]?.fields, { joined: 0, left: 989 });
    assert.deepEqual(replace(11, '10.0.0.2'), ['pods joined and left']);
    assert.deepEqual(replace(10, '10.0.0.2'), ['pod left']);
  });
});
