/** A router that computes tokens in process, in front of the same engines: steps of `npm run test:vllm`. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningEnvoy } from '../demo/envoy.ts';
import type { RunningCommand } from '../demo/processes.ts';
import { type LocalEngine, startEnvoyFor, startRouter } from '../demo/router.ts';
import { FIRST_CHECKS } from '../src/tokenizers/parity/parity-guard.ts';
import { until } from './until.ts';
import type { Engine } from './vllm-engine.ts';
import { chat, expect, indexed, predictions } from './vllm-fleet.ts';
import { type Conversation, conversation, type Message } from './vllm-prompts.ts';

const CHAT = '/v1/chat/completions';
const CONVERSATIONS = 50;
const STATE_TIMEOUT_MS = 60_000;

export interface ExactRouterParts {
  /** Envoy's. */
  readonly binary: string;
  readonly engines: readonly Engine[];
  readonly pods: readonly LocalEngine[];
  readonly model: string;
  /** Of the model's tokenizer files. */
  readonly directory: string;
}

/** What `/debug/tokenizers` shows of an endpoint. */
interface ShownEndpoint {
  readonly endpoint: string;
  readonly state: { readonly kind: string; readonly why?: string };
  readonly equal: number;
  readonly different: number;
}

export class ExactRouter {
  readonly #parts: ExactRouterParts;
  readonly #router: RunningCommand;
  readonly #envoy: RunningEnvoy;
  /** Holds the directory that is given to the router. */
  readonly #folder: string;

  private constructor(parts: ExactRouterParts, router: RunningCommand, envoy: RunningEnvoy, folder: string) {
    this.#parts = parts;
    this.#router = router;
    this.#envoy = envoy;
    this.#folder = folder;
  }

  static async start(parts: ExactRouterParts): Promise<ExactRouter> {
    const { binary, pods, model, directory } = parts;
    const folder = await mkdtemp(join(tmpdir(), 'warmroute-vllm-'));
    // A model's directory may be one of links that lead out of it.
    await cp(directory, join(folder, 'tokenizers', model), { recursive: true, dereference: true });
    const router = await startRouter(pods, {
      ...process.env,
      WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0',
      WARMROUTE_TOKENIZER_DIR: join(folder, 'tokenizers'),
      WARMROUTE_TOKENIZER_CHECK_PERCENT: '0',
    });
    const envoy = await startEnvoyFor(binary, router, pods).catch(async error => {
      await router.stop();
      throw error;
    });
    return new ExactRouter(parts, router, envoy, folder);
  }

  async stop(): Promise<void> {
    await this.#envoy.stop();
    await this.#router.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Second turns land where the first ones are, and engines hear of no prompt but the first ones. */
  async asksNobody(blockSizeTokens: number, run: string): Promise<string> {
    await this.#isTrusted();
    let first = 0;
    while ((await this.#shown()).equal < FIRST_CHECKS) {
      expect(first < 3 * FIRST_CHECKS, `${first} requests, and not ${FIRST_CHECKS} of them compared`);
      await this.#ask(blockSizeTokens, [{ role: 'user', content: `Check ${first++} of ${run}` }]);
    }
    const before = await this.#counts();
    let same = 0;
    let agreed = 0;
    for (let number = 0; number < CONVERSATIONS; number++) {
      const { system, ...given } = conversation(number, `${run}, computed`);
      const messages: Message[] = [system, { role: 'user', content: `Hello, this is ${number}.` }];
      const one = await this.#ask(blockSizeTokens, messages, given);
      await indexed(this.#router);
      messages.push(one.message, { role: 'user', content: 'And then?' });
      const other = await this.#ask(blockSizeTokens, messages, given);
      await indexed(this.#router);
      if (other.pod === one.pod) same++;
      if (other.matchedTokens === other.cachedTokens) agreed++;
    }
    const after = await this.#counts();
    const { confirmed, unconfirmed } = await predictions(this.#router);
    const asked = after.asked - before.asked;
    const computed = after.computed - before.computed;
    expect(asked === 0, `the engines were asked ${asked} times`);
    expect(computed === 2 * CONVERSATIONS, `tokens of ${computed} prompts were computed`);
    expect(same === CONVERSATIONS, `only ${same} of ${CONVERSATIONS} second turns are where the first is`);
    expect(agreed === CONVERSATIONS, `cached_tokens is what was predicted in ${agreed} of ${CONVERSATIONS}`);
    expect(confirmed > 0 && unconfirmed === 0, `${confirmed} confirmed, ${unconfirmed} unconfirmed`);
    return `trusted, ${first} prompts until ${FIRST_CHECKS} were compared; then ${computed} computed and none asked for, ${same} of ${CONVERSATIONS} second turns on the same pod, cached_tokens as predicted in ${agreed}; ${confirmed} confirmed, ${unconfirmed} unconfirmed`;
  }

  /** Only the last thing to do: an engine keeps the other template. */
  async findsOtherTemplate(blockSizeTokens: number): Promise<string> {
    await this.#isTrusted();
    const [engine] = this.#parts.engines as [Engine];
    await engine.stop();
    await engine.start(`--chat-template ${await this.#otherTemplate()}`);
    let sent = 0;
    const used = new Set<string>();
    let shown = await this.#shown();
    while (shown.state.kind === 'trusted') {
      expect(
        sent < FIRST_CHECKS,
        `${sent} requests, and the template still counts as the engine’s (asked ${[...used].join()})`,
      );
      // Long enough for a block: that a process is another one is known by its events.
      const content = `${sent++} after the restart. ${'Answer with care and name your sources. '.repeat(20)}`;
      const { pod } = await this.#ask(blockSizeTokens, [{ role: 'user', content }]);
      used.add(pod);
      await indexed(this.#router);
      shown = await this.#shown();
    }
    expect(shown.state.kind === 'doubted', `it is ${shown.state.kind}`);
    // They are served as before, by tokens of the engines.
    for (let more = 0; more < 5; more++)
      await this.#ask(blockSizeTokens, [{ role: 'user', content: `Still served: ${more}` }]);
    return `found within ${sent} requests (${shown.state.why}); the engines are asked again`;
  }

  /** The model's own, and a space behind it. */
  async #otherTemplate(): Promise<string> {
    const config = await readFile(join(this.#parts.directory, 'tokenizer_config.json'), 'utf8');
    const { chat_template: own } = JSON.parse(config) as { readonly chat_template?: string };
    const template = own ?? (await readFile(join(this.#parts.directory, 'chat_template.jinja'), 'utf8'));
    const path = join(this.#folder, 'other.jinja');
    await writeFile(path, `${template}{{ " " }}`);
    return path;
  }

  async #isTrusted(): Promise<void> {
    await until('the tokens count as the engine’s', STATE_TIMEOUT_MS, async () =>
      (await this.#shown()).state.kind === 'trusted' ? true : undefined,
    );
  }

  #ask(blockSizeTokens: number, messages: readonly Message[], given: Partial<Conversation> = {}) {
    return chat(this.#envoy.url, this.#parts.model, blockSizeTokens, messages, given);
  }

  async #shown(): Promise<ShownEndpoint> {
    const { tokenizers } = JSON.parse(await this.#page('/debug/tokenizers')) as {
      readonly tokenizers: readonly { readonly endpoints: readonly ShownEndpoint[] }[];
    };
    const none = { endpoint: CHAT, state: { kind: 'unknown' }, equal: 0, different: 0 };
    return tokenizers[0]?.endpoints.find(({ endpoint }) => endpoint === CHAT) ?? none;
  }

  async #counts(): Promise<{ readonly asked: number; readonly computed: number }> {
    const asked = await Promise.all(this.#parts.engines.map(engine => engine.tokenizeRequests()));
    const computed = /^warmroute_exact_tokens_total\{how="computed"\} (\d+)$/m;
    return {
      asked: asked.reduce((sum, count) => sum + count, 0),
      computed: Number(computed.exec(await this.#page('/metrics'))?.[1] ?? 0),
    };
  }

  async #page(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#router.ready.adminPort}${path}`)).text();
  }
}
