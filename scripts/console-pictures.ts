/**
 * The pictures of the console in README.md: the demo runs for some minutes, and Chromium (`CHROMIUM`, or on the path) looks at it.
 *
 *   npm run pictures [-- --seconds 200]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { DecisionRecord } from '../src/explain/record.ts';
import { findChromium, startChromium } from '../test/browser/world/chromium.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = `${root}docs/images`;
/** Long enough for an engine to have been away. */
const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '200' } } });
const seconds = Number(flags.seconds);

const found = findChromium();
if (found.kind === 'missing') throw new Error(`no browser: ${found.why}`);
const demo = spawn(process.execPath, [`${root}demo/demo.ts`, '--keep-seconds', String(seconds + 60)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const gone = once(demo, 'exit');
try {
  const address = await consoleOf(demo.stdout);
  await delay(1_000 * seconds);
  await mkdir(FOLDER, { recursive: true });
  await takePictures(address, found.path);
} finally {
  demo.kill('SIGTERM');
  await gone;
}

async function consoleOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const address = /^ {2}(http:\/\/127\.0\.0\.1:\d+\/)$/.exec(line)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error('the demo has ended');
}

async function takePictures(address: string, chromium: string): Promise<void> {
  const browser = await startChromium(chromium);
  const light = await browser.newPage({ viewport: { width: 1280, height: 1010 } });
  await light.goto(address);
  await light.waitForSelector('#decision-rows tr:nth-child(10)');
  await delay(3_000);
  await light.screenshot({ path: `${FOLDER}/console.png` });

  const dark = await browser.newPage({ viewport: { width: 1080, height: 860 }, colorScheme: 'dark' });
  await dark.goto(`${address}#decision/${encodeURIComponent(await tellingDecision(address))}`);
  await dark.waitForSelector('#decision .candidates');
  // What the pointer would not have put there.
  await dark.locator('#decision-close').blur();
  await delay(500);
  await dark.screenshot({ path: `${FOLDER}/console-decision.png` });
  await browser.close();
}

/** The id of one whose candidates differ: the second best holds much less than the best, and more than the third. */
async function tellingDecision(address: string): Promise<string> {
  const response = await fetch(`${address}debug/decisions?limit=500&reason=prefix_match`);
  const { decisions } = (await response.json()) as { decisions: DecisionRecord[] };
  const tellingness = ({ candidates }: DecisionRecord) => {
    if (candidates.length < 3) return 0;
    const shares = candidates.map(({ matchedBlocks, totalBlocks }) => matchedBlocks / totalBlocks);
    return Math.min(...shares.slice(1).map((share, i) => shares[i]! - share));
  };
  const [best] = decisions.sort((a, b) => tellingness(b) - tellingness(a));
  if (best === undefined) throw new Error('nothing was decided by a prefix');
  return best.id;
}
