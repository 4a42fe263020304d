/**
 * The whole server, with a tokenizer that answers at once, and a pod that holds half of every prompt. Forked by its bench,
 * which may name the address of its admin port.
 */
import type { PromptRequest } from '../../src/prompt/request.ts';
import { answerBench } from '../support/servers.ts';
import { bodyOf, MODEL, tokensOf, WARM_POD } from './extproc-request.ts';
import { hold, serveWith } from './whole-server.ts';

const BODY_BYTES = [4_000, 220_000];

const tokensByLength = new Map(
  BODY_BYTES.map(bytes => {
    const { prompt } = JSON.parse(bodyOf(bytes).toString()) as { readonly prompt: string };
    return [prompt.length, tokensOf(prompt)];
  }),
);
const pods = [WARM_POD - 1, WARM_POD, WARM_POD + 1].map(port => ({ port, model: MODEL }));
const environment = process.argv[2] === undefined ? {} : { WARMROUTE_ADMIN_ADDRESS: process.argv[2] };
const server = await serveWith(pods, environment, {
  tokenizer: {
    tokenize: async ({ content }: PromptRequest) => ({
      space: 'engine',
      ids: tokensByLength.get(content.kind === 'text' ? content.text.length : 0)!,
    }),
    close: async () => {},
  },
});
const longest = [...tokensByLength.values()].at(-1)!;
hold(server, pods[1]!, [longest.subarray(0, longest.length / 2)]);
answerBench(server.grpcPort);
