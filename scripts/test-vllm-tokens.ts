/**
 * Tokens computed in process against those of a vLLM, for one tokenizer family after the other:
 *
 *     node scripts/test-vllm-tokens.ts --start 'vllm launch render {dir} --port {port} …' DIRECTORY …
 *     node scripts/test-vllm-tokens.ts --url http://127.0.0.1:8001 DIRECTORY
 *
 * A directory has a model's tokenizer files and config.json; weights are not needed. Exits with 1 if any token differs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../bench/support/servers.ts';
import { until } from './until.ts';
import { AGENT_REQUESTS } from './vllm-agents.ts';
import { drawnRequests } from './vllm-bodies.ts';
import { ODD_REQUESTS } from './vllm-odd.ts';
import { describeParity, parityWith } from './vllm-parity.ts';
import { loadTokenizer } from './vllm-tokenizer.ts';

const START_TIMEOUT_MS = 300_000;

const { values: flags, positionals: directories } = parseArgs({
  allowPositionals: true,
  options: {
    start: { type: 'string' },
    url: { type: 'string' },
    drawn: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
  },
});
if ((flags.start === undefined) === (flags.url === undefined) || directories.length === 0) {
  throw new Error('give --start COMMAND or --url URL, and directories');
}
const requests = [
  ...AGENT_REQUESTS,
  ...ODD_REQUESTS,
  ...drawnRequests(Number(flags.drawn), Number(flags.seed)),
];
for (const directory of directories) {
  const engine = await startEngine(directory);
  const loaded = await loadTokenizer(directory);
  try {
    const parity = await parityWith(engine.url, await modelOf(engine.url), loaded.tokenizer, requests);
    const { segments } = loaded.tokenizer;
    const chats = loaded.chats === undefined ? '' : `; chats: ${loaded.chats}`;
    console.log(`${basename(directory)}: ${describeParity(parity)} (segments ${segments}${chats})`);
    for (const each of parity.different.slice(0, 20)) console.log(`  ${each}`);
    if (parity.different.length > 0) process.exitCode = 1;
  } finally {
    await loaded.close();
    await engine.stop();
  }
}

async function startEngine(directory: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  if (flags.url !== undefined) return { url: flags.url, async stop() {} };
  const port = await freePort();
  const command = flags.start!.replaceAll('{dir}', directory).replaceAll('{port}', String(port));
  const child = spawn('sh', ['-c', `exec ${command}`], { stdio: 'ignore', detached: true });
  const url = `http://127.0.0.1:${port}`;
  await until(`vLLM answers on port ${port}`, START_TIMEOUT_MS, async () => {
    if (child.exitCode !== null) return false;
    return (await fetch(`${url}/health`)).ok ? true : undefined;
  });
  if (child.exitCode !== null) throw new Error(`vLLM ended with ${child.exitCode}: ${command}`);
  return {
    url,
    async stop() {
      const ended = once(child, 'exit');
      process.kill(-child.pid!, 'SIGTERM');
      await ended;
    },
  };
}

async function modelOf(url: string): Promise<string> {
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  return data[0]!.id;
}
