/** Engines that do, and do not, announce the prompts that they were sent, behind a real Envoy. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { startEngine } from '../../src/simulator/engine.ts';
import { aPod, type LogLine } from '../support/builders.ts';
import { writeByteTokenizer } from '../support/byte-tokenizer.ts';
import { eventually } from '../support/eventually.ts';
import {
  envoyReady,
  type Fleet,
  MODEL,
  NO_COST,
  startEngineFleet,
  startFleet,
  WITH_EVENTS,
  withFleet,
} from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const PROMPTS = 100;

interface ShownPod {
  readonly pod: string;
  readonly confirmed: number;
  readonly unconfirmed: number;
  readonly tokenizer: object | undefined;
}

let asked = 0;

async function ask(fleet: Fleet, path: typeof CHAT | typeof COMPLETIONS, count = PROMPTS): Promise<void> {
  for (let i = 0; i < count; i++) {
    const text =
      `${asked++} is the number of this prompt, and it is followed by enough to fill some blocks. `.repeat(3);
    const prompt = path === CHAT ? { messages: [{ role: 'user', content: text }] } : { prompt: text };
    const { status } = await fleet.post(path, { model: MODEL, max_tokens: 1, ...prompt });
    assert.equal(status, 200);
  }
}

/** Those that come too soon after another one are not judged: as many are sent as it takes. */
async function askUntilDoubted(fleet: Fleet): Promise<void> {
  await eventually('it is said', async () => {
    await ask(fleet, CHAT, 20);
    await shownPods(fleet);
    return doubtsOf(fleet, 'endpoints').length > 0;
  });
}

async function shownPods(fleet: Fleet): Promise<readonly ShownPod[]> {
  const response = await fetch(`http://127.0.0.1:${fleet.program.adminPort}/debug/pods`);
  return ((await response.json()) as { readonly pods: readonly ShownPod[] }).pods;
}

async function parityOf(
  fleet: Fleet,
  path: string,
): Promise<{ readonly kind: string; readonly why?: string } | undefined> {
  const response = await fetch(`http://127.0.0.1:${fleet.program.adminPort}/debug/tokenizers`);
  const { tokenizers } = (await response.json()) as {
    readonly tokenizers: readonly {
      readonly endpoints: readonly {
        readonly endpoint: string;
        readonly state: { readonly kind: string; readonly why?: string };
      }[];
    }[];
  };
  return tokenizers[0]?.endpoints.find(({ endpoint }) => endpoint === path)?.state;
}

const doubts = (fleet: Fleet): LogLine[] =>
  fleet.program.logLines.filter(({ fields }) => 'unconfirmed' in fields);

/** A pod may come into doubt before the endpoint does, as its prompts are a part of the endpoint's. */
const doubtsOf = (fleet: Fleet, whom: 'endpoints' | 'pods'): LogLine[] =>
  doubts(fleet).filter(({ fields }) => 'pod' in fields === (whom === 'pods'));

describe('Predicted and real', function () {
  this.timeout(60_000);
  before(envoyReady);

  it('agree where engines do as they say', async () => {
    await withFleet(startEngineFleet({ engines: 2 }), async fleet => {
      await ask(fleet, CHAT);
      await ask(fleet, COMPLETIONS);
      const pods = await shownPods(fleet);
      for (const { confirmed, unconfirmed, tokenizer } of pods) {
        assert.isAbove(confirmed, 10);
        assert.equal(unconfirmed, 0);
        assert.deepEqual(tokenizer, {
          ...{ circuit: 'closed', noFormFor: [] },
          lastCall: { route: 'render', outcome: 'tokens' },
        });
      }
      assert.isEmpty(doubts(fleet));
    });
  });

  it('differ where a pod’s chat template is another one than that of the pod that is asked', async () => {
    const starting = startEngineFleet({
      engines: 2,
      engineOptionsOf: i => ({
        defaultSystemPrompt: i === 0 ? '' : 'You are a helpful assistant. '.repeat(4),
      }),
    });
    await withFleet(starting, async fleet => {
      await askUntilDoubted(fleet);
      await ask(fleet, COMPLETIONS);
      const [doubt, ...others] = doubtsOf(fleet, 'endpoints');
      assert.deepInclude(doubt, { level: 'warn' });
      assert.deepInclude(doubt!.fields, { model: MODEL, endpoint: CHAT, of: 50 });
      assert.isAbove(doubt!.fields.unconfirmed as number, 10);
      assert.include(doubt!.message, 'another chat template');
      assert.isEmpty(others);
      const pods = doubtsOf(fleet, 'pods').map(({ fields }) => fields.pod);
      assert.lengthOf(pods, new Set(pods).size, 'each is said once');
      const metrics = await fleet.program.metrics();
      const seen = (endpoint: string, verdict: string) =>
        metrics('warmroute_predictions_total', { model: MODEL, endpoint, verdict });
      assert.isAbove(seen(CHAT, 'unconfirmed'), 10);
      assert.isAbove(seen(COMPLETIONS, 'confirmed'), 10);
      assert.equal(seen(COMPLETIONS, 'unconfirmed'), 0);
    });
  });

  it('differ where tokens are computed in process by another model’s files, which are no longer used then', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'warmroute-confirmations-'));
    try {
      await writeByteTokenizer(directory, MODEL);
      // No engine is asked: only events can tell.
      const environment = { WARMROUTE_TOKENIZER: 'local', WARMROUTE_TOKENIZER_DIR: directory };
      await withFleet(startEngineFleet({ engines: 2, environment }), async fleet => {
        const chatsAre = async (state: string) => (await parityOf(fleet, CHAT))?.kind === state;
        await eventually('they are loaded', () => chatsAre('trusted'));
        await eventually('they are doubted', async () => {
          await ask(fleet, CHAT, 20);
          await shownPods(fleet);
          return chatsAre('doubted');
        });
        assert.deepInclude(await parityOf(fleet, CHAT), { why: 'unconfirmed' });
        const metrics = await fleet.program.metrics();
        assert.equal(metrics('warmroute_tokens_trusted', { model: MODEL, endpoint: CHAT }), 0);
        const before = metrics('warmroute_exact_tokens_total', { how: 'computed' });
        await ask(fleet, CHAT, 5);
        assert.equal(
          (await fleet.program.metrics())('warmroute_exact_tokens_total', { how: 'computed' }),
          before,
        );
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('differ where an engine’s events never come', async () => {
    const options = { model: MODEL, cost: NO_COST, eventsPort: 'off', replayPort: 'off' } as const;
    const engines = [await startEngine(options), await startEngine(options)];
    try {
      const pods = await Promise.all(
        engines.map(async ({ httpPort }, i) => ({
          pod: aPod({
            ...{ name: `silent-${i}`, port: httpPort, model: MODEL },
            kvEvents: { kind: 'zmq', port: await freePort(), replayPort: undefined, ranks: 1 },
          }),
          address: `127.0.0.1:${httpPort}`,
        })),
      );
      // Nothing will ever be learned from them.
      const environment = { ...WITH_EVENTS, WARMROUTE_WARMUP_MS: '0' };
      await withFleet(startFleet({ pods, environment }), async fleet => {
        await askUntilDoubted(fleet);
        for (const { confirmed } of await shownPods(fleet)) assert.equal(confirmed, 0);
        assert.deepInclude(doubtsOf(fleet, 'endpoints')[0]!.fields, {
          model: MODEL,
          endpoint: CHAT,
          unconfirmed: 50,
          of: 50,
        });
      });
    } finally {
      await Promise.all(engines.map(engine => engine.stop()));
    }
  });
});
