/**
 * The whole server with recorded engines, one of which holds every conversation as it is at first. Forked by its bench.
 *
 *   chat-server.ts engine|auto TOKENIZER_DIR PORT,PORT,PORT
 */
import { setTimeout } from 'node:timers/promises';
import { hold, serveWith } from '../read-path/whole-server.ts';
import { answerBench } from '../support/servers.ts';
import { MODEL, PATH } from './conversation.ts';

const [mode = '', tokenizer = '', ports = ''] = process.argv.slice(2);
const pods = ports.split(',').map(port => ({ port: Number(port), model: MODEL, tokenizer }));
const server = await serveWith(pods, {
  WARMROUTE_TOKENIZER: mode,
  // A machine that is busy with other things makes it slow, and costs no CPU here.
  WARMROUTE_DECISION_TIMEOUT_MS: '30000',
  AIBRIX_TOKENIZER_REQUEST_TIMEOUT: '30',
});
const held = await fetch(`http://127.0.0.1:${pods[0]!.port}/recorded/held`);
const prompts = (await held.json()) as readonly (readonly number[])[];
hold(
  server,
  pods[1]!,
  prompts.map(ids => Uint32Array.from(ids)),
);
if (mode !== 'engine') while (!(await isTrusted())) await setTimeout(50);
answerBench(server.grpcPort);

/** Whether tokens are made in this process by now. */
async function isTrusted(): Promise<boolean> {
  const shown = await fetch(`http://127.0.0.1:${server.adminPort}/debug/tokenizers`);
  return JSON.stringify(await shown.json()).includes(`"endpoint":"${PATH}","state":{"kind":"trusted"`);
}
