import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { objections } from '../../../support/axe.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';
import { eventually } from '../../../support/eventually.ts';

const browser = browserTestBed();
let testBed: ConsoleTestBed;
let recorded: string;
beforeAll(async () => {
  testBed = await startConsoleTestBed({ notifications: true });
  const [open, refused, over] = [
    await testBed.recordingBot(),
    await testBed.bot(),
    await testBed.recordingBot(),
  ];
  recorded = open.call;
  await open.upload('some', 1000);
  testBed.graph.script({ action: 'updateRecordingStatus', call: refused.call, answer: 'notPolicyCall' });
  await refused.report('recording');
  await over.report('notRecording');
  await over.upload('late', 10);
  await over.hangUp();
});
afterAll(() => testBed.close());

/** Each view, and what is there once it can be judged. */
const views: readonly (readonly [name: string, fragment: () => string, ready: string])[] = [
  ['calls that need attention', () => '/attention', '.grid-body .row'],
  ['calls on air', () => '/air', '.grid-body .row'],
  ['calls that are not recorded', () => '/unrecorded', '.grid-body .row'],
  ['calls that have ended', () => '/ended', '.grid-body .row'],
  ['one call', () => `/call/${recorded}`, '.chart canvas'],
  ['the holds', () => '/holds', '.holds'],
];

describe.each(['dark', 'light'] as const)('%s', (colorScheme) => {
  test.each(views)('axe has nothing to say of %s', async (_name, fragment, ready) => {
    const page = await browser.open(`${testBed.url}/#${fragment()}`, { colorScheme });
    await page.locator(ready).first().waitFor();
    expect(await objections(page)).toEqual([]);
  });

  test('axe has nothing to say of a dialog, a filter without a match, a hold, and a lost connection', async () => {
    const page = await browser.open(`${testBed.url}/#/holds`, { colorScheme, expectErrors: true });
    await page.getByRole('button', { name: 'Set a hold' }).click();
    expect(await objections(page)).toEqual([]);
    await page.getByLabel('Tenant id').fill('33333333-3333-4333-8333-333333333333');
    await page.getByLabel(/^Reason/).fill('a drill');
    await page.getByRole('dialog').locator('button.danger').click();
    await page.locator('.cards > li').waitFor();
    expect(await objections(page)).toEqual([]);
    await page.getByRole('button', { name: /^Release hold/ }).click();
    await page.getByLabel(/^Reason/).fill('over');
    await page.getByRole('dialog').locator('button.danger').click();
    await page.getByText('No hold stands.').waitFor();

    await page.goto(`${testBed.url}/#/air`);
    await page.locator('.grid-body .row').first().waitFor();
    await page.getByRole('searchbox').fill('no such call');
    await page.getByText('No call of this tab matches the filter.').waitFor();
    expect(await objections(page)).toEqual([]);
    await page.route('**/api/events', (route) => route.abort());
    await page.reload();
    await page.locator('[data-banner="stale"]').waitFor();
    expect(await objections(page)).toEqual([]);
  });

  test('it can be read at 400 percent', async () => {
    const page = await browser.open(`${testBed.url}/#/call/${recorded}`, {
      colorScheme,
      viewport: { width: 320, height: 256 },
    });
    await page.locator('.timeline').waitFor();
    expect(
      await page.evaluate('document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth'),
    ).toBe(true);
    await page.goto(`${testBed.url}/#/air`);
    await page.locator('.grid-body .row').first().waitFor();
    expect(
      await page.evaluate('document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth'),
    ).toBe(true);
    expect(await objections(page)).toEqual([]);
  });
});

const focused = (page: Page): Promise<unknown> =>
  page.evaluate(
    `({ role: document.activeElement.getAttribute('role'), id: document.activeElement.dataset.id, text: document.activeElement.textContent.trim() })`,
  );

/** The page draws after the key: it is waited for. */
const focusIs = (page: Page, expected: object): Promise<unknown> =>
  eventually(
    async () => {
      const found = await focused(page);
      return (
        expect.objectContaining(expected) as { asymmetricMatch(other: unknown): boolean }
      ).asymmetricMatch(found);
    },
    { what: `a focus on ${JSON.stringify(expected)}` },
  );

test('everything can be done with the keyboard alone', async () => {
  const [one, other] = [await testBed.recordingBot(), await testBed.recordingBot()];
  const page = await browser.open(testBed.url);
  await page.locator(`[data-id="${other.call}"]`).waitFor();
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  // Brand, holds, tabs, filter, rows: one stop each.
  await press('Tab', 'Tab', 'Tab');
  await focusIs(page, { role: 'tab', text: expect.stringContaining('On air') });
  await press('ArrowLeft');
  await focusIs(page, { role: 'tab', text: expect.stringContaining('Needs attention') });
  await page.locator('[data-view="attention"]').waitFor();
  await press('ArrowRight');
  await page.locator('[data-view="air"]').waitFor();
  await press('Tab', 'Tab');
  await focusIs(page, { role: 'row', id: other.call });
  await press('ArrowDown');
  await focusIs(page, { role: 'row', id: one.call });
  await press('Home');
  await focusIs(page, { id: other.call });
  await press('End');
  await focusIs(page, { id: recorded });
  await press('ArrowDown');
  await focusIs(page, { id: recorded });
  await press('/');
  await page.keyboard.type(one.call);
  await page.locator(`[data-id="${other.call}"]`).waitFor({ state: 'detached' });
  await press('Enter');
  await focusIs(page, { role: 'row', id: one.call });
  await press('Enter');
  await page.getByRole('heading', { name: `Call ${one.call}` }).waitFor();
  await focusIs(page, { text: `Call ${one.call}` });
  await press('Escape');
  await page.locator(`[data-id="${one.call}"]`).waitFor();
  await focusIs(page, { role: 'row', id: one.call });
  await press('Enter');
  await page.getByRole('button', { name: 'Close by hand' }).waitFor();
  await press('Tab');
  await press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('by keyboard');
  await press('Enter');
  await page.getByText('An operator closed the call by hand.').first().waitFor();
  expect((await one.upload('late', 10)).status).toBe(403);
});

test('the row under the focus may go, and the focus stays in the list', async () => {
  const [one, other] = [await testBed.recordingBot(), await testBed.recordingBot()];
  const page = await browser.open(testBed.url);
  await page.locator(`[data-id="${other.call}"]`).focus();
  await other.report('notRecording');
  await page.locator(`[data-id="${other.call}"]`).waitFor({ state: 'detached' });
  await focusIs(page, { role: 'row', id: one.call });
});

test('a table of the right size is described, with the state of each row in words', async () => {
  const page = await browser.open(testBed.url);
  await page.locator(`[data-id="${recorded}"]`).waitFor();
  const grid = page.getByRole('grid', { name: 'On air' });
  const count = Number(await page.getByRole('tab', { name: 'On air' }).locator('.count').textContent());
  expect(await grid.getAttribute('aria-rowcount')).toBe(String(count + 1));
  const row = grid.locator(`[data-id="${recorded}"]`);
  expect(await row.getByRole('gridcell').first().textContent()).toContain('On air');
  expect(await row.getByRole('gridcell').count()).toBe(Number(await grid.getAttribute('aria-colcount')));
  expect(await grid.getByRole('columnheader').count()).toBe(Number(await grid.getAttribute('aria-colcount')));
});

test('what moves is not announced: only what an operator must know', async () => {
  const page = await browser.open(testBed.url);
  await page.locator(`[data-id="${recorded}"]`).waitFor();
  await page.evaluate(`
    globalThis.said = [];
    new MutationObserver(() => said.push(document.getElementById('announcer').textContent))
      .observe(document.getElementById('announcer'), { childList: true, characterData: true, subtree: true });
  `);
  const bot = await testBed.recordingBot();
  await page.locator(`[data-id="${bot.call}"]`).waitFor();
  await bot.upload('some', 1000);
  await bot.report('notRecording');
  await page.locator(`[data-id="${bot.call}"]`).waitFor({ state: 'detached' });
  expect(await page.evaluate('said')).toEqual([]);
});
