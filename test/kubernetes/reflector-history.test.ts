import { setImmediate as turn } from 'node:timers/promises';
import { assert } from 'chai';
import fc from 'fast-check';
import { eventually } from '../support/eventually.ts';
import { FakeKubeApi, PODS } from '../support/fake-kube-api.ts';
import { connectTo } from '../support/kube-access.ts';
import { type KeptSet, keptOf, reflect } from '../support/reflected.ts';

type Step =
  | {
      readonly kind: 'put' | 'delete' | 'recreate';
      readonly name: string;
      readonly labels: Record<string, string>;
    }
  /** `settle`: waits until all is heard. */
  | {
      readonly kind:
        | 'compact'
        | 'expire'
        | 'end'
        | 'reset'
        | 'bookmark'
        | 'repeat'
        | 'cut'
        | 'heal'
        | 'settle';
    };

const LABELS = [{ served: '' }, { served: '' }, {}] as const;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('put', 'delete', 'recreate'),
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      labels: fc.constantFrom(...LABELS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'compact',
        'expire',
        'end',
        'reset',
        'bookmark',
        'repeat',
        'cut',
        'heal',
        'settle',
      ),
    }),
  },
);

describe('the reflector, whatever happens', () => {
  it('shows only what was so, in order, and in the end what is', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.constantFrom('error_event', 'status'), follow),
      { numRuns: 60 },
    );
  });
});

async function follow(steps: readonly Step[], expiry: 'error_event' | 'status'): Promise<void> {
  const api = await FakeKubeApi.start();
  api.expiry = expiry;
  api.maxPage = 2;
  const states: KeptSet[] = [];
  const note = () => states.push(served(api));
  note();
  const client = await connectTo(api.url);
  // Chance has it that no wait is any longer than nothing.
  const { reflector, sets } = reflect(client, { query: { labelSelector: 'served' }, random: () => 1 });
  const isSettled = () => sets.all.length > 0 && isSame(sets.all.at(-1)!, served(api));
  try {
    for (const step of steps) {
      if (step.kind === 'settle') {
        api.fault = () => undefined;
        await eventually('all is heard', isSettled);
      } else {
        take(step, api, note);
        await turn();
      }
    }
    api.fault = () => undefined;
    await eventually('all is heard', isSettled);
    let at = 0;
    for (const set of sets.all) {
      at = states.findIndex((state, index) => index >= at && isSame(state, set));
      assert.notEqual(at, -1, 'a set that never was, or was before');
    }
  } finally {
    await reflector.stop();
    await client.close();
    await eventually('no connection is left', async () => (await api.connections()) === 0);
    await api.close();
  }
}

function take(step: Step, api: FakeKubeApi, note: () => void): void {
  const watches = api.openWatches;
  switch (step.kind) {
    case 'put':
    case 'delete':
    case 'recreate': {
      const metadata = { name: step.name, namespace: 'serving', labels: step.labels };
      if (step.kind !== 'put') {
        api.delete(metadata);
        note();
      }
      if (step.kind !== 'delete') {
        api.put({ metadata });
        note();
      }
      break;
    }
    case 'compact':
    case 'bookmark':
      api[step.kind]();
      break;
    case 'cut':
      api.fault = () => ({ kind: 'reset' });
      for (const watch of watches) watch.reset();
      break;
    case 'heal':
      api.fault = () => undefined;
      break;
    case 'expire':
    case 'end':
    case 'reset':
    case 'repeat':
      for (const watch of watches) watch[step.kind]();
  }
}

/** Those that the selector of the reflector is for. */
function served(api: FakeKubeApi): KeptSet {
  return keptOf(api.objects(PODS).filter(({ metadata }) => metadata.labels?.served !== undefined));
}

function isSame(a: KeptSet, b: KeptSet): boolean {
  return (
    a.size === b.size &&
    [...a].every(([key, { uid, version }]) => b.get(key)?.uid === uid && b.get(key)?.version === version)
  );
}
