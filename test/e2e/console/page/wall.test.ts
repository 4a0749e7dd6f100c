import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { objections } from '../../../support/axe.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';
import { askConsole } from '../../../support/console.ts';
import { eventually } from '../../../support/eventually.ts';

const browser = browserTestBed();
let testBed: ConsoleTestBed;
beforeAll(async () => {
  testBed = await startConsoleTestBed({ notifications: true });
});
afterAll(() => testBed.close());

const rowOf = (page: Page, call: string): Locator => page.locator(`.grid-body [data-id="${call}"]`);
const tab = (page: Page, name: string): Locator => page.getByRole('tab', { name });
const countIn = async (page: Page, name: string): Promise<number> =>
  Number(await tab(page, name).locator('.count').textContent());

test('a lamp follows the life of its call, in words as well, without anybody reloading', async () => {
  const page = await browser.open(testBed.url);
  await page.getByText('No call is being recorded.').waitFor();
  const bot = await testBed.recordingBot();
  const row = rowOf(page, bot.call);
  await row.waitFor();
  expect(await row.getAttribute('data-state')).toBe('recording');
  expect(await row.locator('.word').textContent()).toBe('On air');
  expect(await row.locator('.is-policy').textContent()).toContain('default');
  expect(await countIn(page, 'On air')).toBe(1);
  expect(await page.title()).toBe('1 on air – Tallylight');

  const upload = bot.slowUpload('long');
  await eventually(async () => {
    upload.send(5000);
    return (await row.locator('.is-media').textContent())?.includes('B/s') === true;
  });
  upload.end();
  await upload.over;

  await bot.report('notRecording');
  await row.waitFor({ state: 'detached' });
  await tab(page, 'Not recorded, and why').click();
  await row.getByText('The bot ended the recording.').waitFor();
  expect(await row.locator('.word').textContent()).toBe('Not recording');
  expect((await bot.upload('late', 10)).status).toBe(403);
  await row.getByText('RecordingNotActive').waitFor();

  await bot.hangUp();
  await tab(page, 'Ended today').click();
  await row.getByText('The bot hung up, and Graph confirmed it.').waitFor();
  expect(await row.locator('.word').textContent()).toBe('Ended');
  expect(await countIn(page, 'On air')).toBe(0);
});

test('a call whose start was refused needs attention, and says why it is not recorded', async () => {
  const page = await browser.open(`${testBed.url}/#/attention`);
  const bot = await testBed.bot();
  testBed.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer: 'notPolicyCall' });
  await bot.report('recording');
  const row = rowOf(page, bot.call);
  await row.getByText('Start failed').waitFor();
  await tab(page, 'Not recorded, and why').click();
  await row.getByText('no recording policy created this call (8506)').waitFor();
});

test('a filter leaves the rows that it fits, and is announced as a count', async () => {
  const page = await browser.open(testBed.url);
  const [one, other] = [await testBed.recordingBot(), await testBed.recordingBot()];
  await rowOf(page, one.call).waitFor();
  await rowOf(page, other.call).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type(one.call.slice(0, 13));
  await rowOf(page, other.call).waitFor({ state: 'detached' });
  expect(await rowOf(page, one.call).count()).toBe(1);
  expect(await page.locator('output').textContent()).toMatch(/^1 of \d+$/);
  await page.keyboard.press('Escape');
  await rowOf(page, other.call).waitFor();
});

test('the page of a call tells its evidence in words, and follows it', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(testBed.url);
  await rowOf(page, bot.call).click();
  await page.getByRole('heading', { name: `Call ${bot.call}` }).waitFor();
  await page.getByText('Graph confirmed the recording. The gate opened.').waitFor();
  await page.locator('.chart canvas').waitFor();
  await bot.report('notRecording');
  await page.getByText('Graph confirmed the stop.').waitFor();
  await page.getByText('No write is in progress on any instance.').waitFor();
  const seqs = await page.locator('.timeline summary').allTextContents();
  expect(seqs).toEqual([...seqs].sort((a, b) => Number(b.split(' ')[1]) - Number(a.split(' ')[1])));
});

test.each([
  ['a link to the page', '/', 'document', 200],
  ['a frame with the page', '/', 'iframe', 403],
  ['a link to the API', '/api/calls', 'document', 403],
])('%s on another site: %s for a %s is answered with %d', async (_what, path, dest, status) => {
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': dest };
  expect((await askConsole(testBed.url, path, { headers })).status).toBe(status);
});

test('what is shown without a connection is marked as out of date until the console is back', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(testBed.url, { expectErrors: true });
  await rowOf(page, bot.call).waitFor();
  const restarted = testBed.restart();
  await page.locator('[data-banner="stale"]').waitFor();
  expect(await page.locator('.console').getAttribute('data-link')).toBe('lost');
  expect(await page.locator('#announcer').textContent()).toContain('may be out of date');
  // The row is still there to be read.
  expect(await rowOf(page, bot.call).count()).toBe(1);
  expect(await objections(page)).toEqual([]);
  await restarted;
  await page.locator('.console[data-link="live"]').waitFor();
  await page.locator('[data-banner="stale"]').waitFor({ state: 'detached' });
  expect(await page.locator('#announcer').textContent()).toBe('Connected again.');
});
