/** The console as its operator sees it: `serve()` with simulated engines, requests as Envoy sends them, and a real browser. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { Environment } from '../../src/config.ts';
import { requestBody, requestHeaders } from '../support/envoy-messages.ts';
import { type EventReader, readEvents } from '../support/event-source.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeEnvoy } from '../support/fake-envoy.ts';
import { freePort } from '../support/free-port.ts';
import { MODEL, ServeBench, type Served, WITH_EVENTS } from '../support/serve-bench.ts';
import { startChromium } from './world/chromium.ts';

const HOSTILE = '<img src=x onerror="document.title=1">';
const LONG = 'a-name-that-goes-on-and-on-'.repeat(8);
const PROMPT = 'What a long story this is, and how it goes on and on. '.repeat(12);

describe('The console', function () {
  this.timeout(30_000);
  let browser: Browser;
  let bench: ServeBench;
  /** What the browser said that it should not. */
  let complaints: string[];

  before(async () => {
    browser = await startChromium(process.env.CHROMIUM!);
  });
  after(() => browser.close());

  beforeEach(async () => {
    complaints = [];
    bench = await ServeBench.open();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await bench.stop();
    assert.deepEqual(complaints, []);
  });

  async function startWithEngines(count: number, environment: Environment = {}): Promise<Served> {
    await bench.writePods(await bench.startEngines(count));
    return bench.start({ ...WITH_EVENTS, WARMROUTE_METRICS_INTERVAL_MS: '1000', ...environment });
  }

  async function open({ server }: Served, options: BrowserContextOptions = {}, fragment = ''): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    const origin = `http://127.0.0.1:${server.adminPort}`;
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(String(error)));
    page.on('request', request => {
      if (new URL(request.url()).origin !== origin) complaints.push(`asked elsewhere: ${request.url()}`);
    });
    await page.goto(`${origin}/${fragment}`);
    return page;
  }

  const isLive = (page: Page) => page.waitForSelector('#connection[data-state=live]');

  it('shows pods and event streams, and decisions as they are made', async () => {
    const served = await startWithEngines(2);
    const page = await open(served);
    await isLive(page);
    await page.waitForSelector('#pod-rows tr:nth-child(2)');
    assert.deepEqual(await page.locator('#pod-rows th b').allInnerTexts(), ['engine-0', 'engine-1']);
    await page.waitForSelector('#stream-rows [data-tone=good]');
    await ask(served.envoy, { id: 'first-of-all' });
    await page.waitForSelector('#decision-rows tr');
    const row = await page.locator('#decision-rows tr').first().innerText();
    for (const text of [MODEL, /engine-\d/, /0 \/ \d+/, 'no match', 'nobody holds its beginning'])
      text instanceof RegExp ? assert.match(row, text) : assert.include(row, text);
    await ask(served.envoy);
    await page.getByText('holds the longest part of the prompt').waitFor();
  });

  it('opens a decision by keyboard, and closes it with Escape', async () => {
    const served = await startWithEngines(3);
    await ask(served.envoy, { id: 'the-first' });
    await ask(served.envoy, { id: 'the-second' });
    const page = await open(served);
    await page.waitForSelector('#decision-rows tr:nth-child(2)');
    await page.locator('#decisions-pause').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /^To engine-\d$/ }).waitFor();
    assert.match(page.url(), /#decision\/the-second$/);
    const dialog = page.getByRole('dialog');
    assert.equal(await dialog.locator('.candidates tbody tr').count(), 3);
    assert.equal(await dialog.locator('.candidates .winner').count(), 1);
    assert.match(
      (await dialog.locator('.winner .blocks').getAttribute('aria-label')) ?? '',
      /^holds \d+ on the GPU, of \d+ blocks$/,
    );
    assert.isAbove(await dialog.locator('.winner .tier.gpu').evaluate(bar => bar.clientWidth), 0);
    assert.isNotEmpty(await dialog.locator('.steps li').allInnerTexts());
    assert.include(await dialog.innerText(), 'The prompt is not kept');
    assert.equal(await focused(page), 'decision-close');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.waitForURL(({ hash }) => hash === '');
    assert.include(await page.locator(':focus').getAttribute('href'), 'the-second');
  });

  it('opens the decision that its address names', async () => {
    const served = await startWithEngines(2);
    await ask(served.envoy, { id: 'shared/with you' });
    const page = await open(served, {}, `#decision/${encodeURIComponent('shared/with you')}`);
    await page.getByRole('heading', { name: /^To engine-\d$/ }).waitFor();
    await page.goto(page.url().replace(/#.*/, '#decision/gone'));
    await page.getByText('It is not among the decisions').waitFor();
    await ask(served.envoy, { id: '..' });
    await page.goto(page.url().replace(/#.*/, '#decision/..'));
    await page.getByRole('heading', { name: /^To engine-\d$/ }).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  });

  it('shows the beginning of prompts where that is wanted', async () => {
    const served = await startWithEngines(2, { WARMROUTE_SHOW_PROMPTS: 'true' });
    await ask(served.envoy, { id: 'shown', prompt: `${HOSTILE} ${PROMPT}` });
    const page = await open(served, {}, '#decision/shown');
    assert.include(await page.locator('.prompt').innerText(), HOSTILE);
    assert.equal(await page.locator('.prompt img').count(), 0);
  });

  it('shows what strangers chose as text', async () => {
    const pods = ['a', 'b'].map((end, i) => ({
      ...{ name: `<img>${end}`, address: '127.0.0.1', port: 9 + i, model: HOSTILE },
    }));
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
    const served = await bench.start({ WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_SHOW_PROMPTS: 'true' });
    await ask(served.envoy, { id: HOSTILE, model: HOSTILE, prompt: `${HOSTILE} ${PROMPT}` });
    await ask(served.envoy, { id: 'unknown', model: `${HOSTILE}?` });
    const page = await open(served);
    await page.getByText('refused: unknown model').waitFor();
    for (const table of ['#pod-rows', '#decision-rows'])
      assert.include(await page.locator(table).innerText(), HOSTILE);
    await page.locator('#decisions-filter').fill(HOSTILE);
    await hasRows(page, 1);
    await page.locator('#decision-rows a').click();
    await page.getByRole('dialog').locator('.prompt').waitFor();
    const shown = await page.getByRole('dialog').innerText();
    assert.equal(shown.split(HOSTILE).length, 1 + 3, 'request id, model and prompt');
    assert.include(shown, '<img>a');
    assert.equal(await page.locator('main img, dialog img').count(), 0);
    assert.equal(await page.title(), 'Warmroute');
  });

  it('does not need to be wider than a phone, whatever the names', async () => {
    const pods = ['a', 'b'].map((name, i) => ({
      name: name + LONG,
      address: '127.0.0.1',
      port: 9 + i,
      model: LONG,
    }));
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
    const served = await bench.start({ WARMROUTE_HEALTH_INTERVAL_MS: '0' });
    await ask(served.envoy, { id: LONG, model: LONG });
    const page = await open(served, { viewport: { width: 360, height: 780 } });
    await page.waitForSelector('#pod-rows tr:nth-child(2)');
    await page.waitForSelector('#decision-rows tr');
    const overflow = () => page.locator('html').evaluate(html => html.scrollWidth - html.clientWidth);
    assert.isAtMost(await overflow(), 0);
    await page.locator('#decision-rows a').first().click();
    await page.getByRole('heading', { name: /^To / }).waitFor();
    assert.isAtMost(await overflow(), 0);
    assert.isAtMost(
      await page.getByRole('dialog').evaluate(dialog => dialog.scrollWidth - dialog.clientWidth),
      0,
    );
  });

  it('is dark where the system is, and light or dark where that was chosen', async () => {
    const served = await startWithEngines(1);
    const page = await open(served, { colorScheme: 'dark' });
    await isLive(page);
    const lightness = async () => {
      const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      return Number(/\d+/.exec(ground)?.[0]);
    };
    assert.isBelow(await lightness(), 64);
    await page.getByRole('button', { name: 'Theme: as system' }).click();
    assert.isAbove(await lightness(), 192);
    await page.reload();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    assert.isBelow(await lightness(), 64);
  });

  it('says what to do where there is nothing yet', async () => {
    await writeFile(bench.podsFile, JSON.stringify({ pods: [] }));
    const page = await open(await bench.start({}));
    await page.getByText('Not ready: no pod is known').waitFor();
    await page.getByText('warmroute check-config').waitFor();
    await page.getByText('curl http://ENVOY/v1/chat/completions').waitFor();
    await page.getByText('AIBRIX_KV_EVENT_SYNC_ENABLED=true').waitFor();
  });

  it('holds still while it is paused, and looks for what is asked for', async () => {
    const served = await startWithEngines(2);
    await ask(served.envoy, { id: 'needle' });
    const page = await open(served);
    await page.waitForSelector('#decision-rows tr');
    await page.getByRole('button', { name: 'Pause' }).click();
    await ask(served.envoy, { id: 'later' });
    await page.getByText('held still; 1 new').waitFor();
    assert.equal(await page.locator('#decision-rows tr').count(), 1);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.waitForSelector('#decision-rows tr:nth-child(2)');
    await page.locator('#decisions-filter').fill('needle');
    await hasRows(page, 1);
    await page.locator('#decisions-filter').fill('another');
    const link = page.getByRole('link', { name: 'Look for it as a request id' });
    assert.equal(await link.getAttribute('href'), '#decision/another');
  });

  it('tells the history of an event stream', async () => {
    const [engine] = await bench.startEngines(1);
    await bench.writePods([engine!]);
    const served = await bench.start(WITH_EVENTS);
    const page = await open(served);
    await page.waitForSelector('#stream-rows [data-tone=good]');
    await page.locator('#stream-rows summary').focus();
    await page.keyboard.press('Enter');
    await page.locator('#stream-rows li').getByText('first contact').waitFor();
    await engine!.stop();
    await page.locator('#stream-rows li').first().getByText('connecting').waitFor();
  });

  it('says when as many watch as may, and takes its place when one goes', async () => {
    const served = await startWithEngines(1);
    const url = `http://127.0.0.1:${served.server.adminPort}/console/events`;
    const others: EventReader[] = [];
    for (let i = 0; i < 8; i++) others.push(await readEvents(url));
    for (const other of others) await other.next('now');
    const page = await open(served);
    await page.getByText('8 others watch already').waitFor();
    for (const other of others) other.close();
    await isLive(page);
  });

  it('says that the connection is lost, and is back when the router is', async () => {
    const port = await freePort();
    const address = { WARMROUTE_ADMIN_ADDRESS: `127.0.0.1:${port}` };
    const served = await startWithEngines(1, address);
    const page = await open(served);
    await isLive(page);
    await served.server.stop();
    await page.getByText(/connection lost; tried again in \d+ s/).waitFor();
    await bench.start({ ...WITH_EVENTS, ...address });
    await isLive(page);
    // What the browser says of a server that is not there.
    complaints = complaints.filter(complaint => !complaint.includes('net::ERR'));
  });

  it('can be reached by keyboard alone, in the order in which it is read', async () => {
    const served = await startWithEngines(1);
    await ask(served.envoy);
    const page = await open(served);
    await page.waitForSelector('#decision-rows tr');
    const time = await page.locator('#decision-rows a').innerText();
    const stops = [
      ...['Skip to the pods', 'Warmroute', 'Traffic', 'Pods', 'Decisions', 'Event streams', 'theme'],
      ...['decisions-filter', 'decisions-pause', time, 'summary'],
    ];
    for (const stop of stops) {
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), stop);
      const isShown = await page.evaluate<boolean>(
        "[null, '::after'].some(part => getComputedStyle(document.activeElement, part).outlineStyle !== 'none')",
      );
      assert.isTrue(isShown, `the focus on ${stop} is seen`);
    }
  });
});

/** The id of what has the focus, or its text. */
function focused(page: Page): Promise<string> {
  return page.locator(':focus').evaluate(at => at.id || at.textContent || at.tagName.toLowerCase());
}

async function hasRows(page: Page, count: number): Promise<void> {
  const rows = page.locator('#decision-rows tr');
  await eventually(`there are ${count} rows`, async () => (await rows.count()) === count);
}

interface Asked {
  readonly id?: string;
  readonly model?: string;
  readonly prompt?: string;
}

/** One request as Envoy shows it, up to its end. */
async function ask(envoy: FakeEnvoy, { id, model = MODEL, prompt = PROMPT }: Asked = {}): Promise<void> {
  await eventually('the router is ready', async () => (await envoy.health('readiness')) === 'SERVING');
  const headers = { ':path': '/v1/completions', ...(id !== undefined && { 'x-request-id': id }) };
  const stream = envoy.open().send(requestHeaders({ headers }));
  await stream.reply();
  stream.send(requestBody(JSON.stringify({ model, prompt }), 'end'));
  await stream.reply();
  await stream.halfClose();
}
