import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { sandboxApp, sandboxTenant } from '../../../../src/sandbox/token-mint.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';
import { eventually } from '../../../support/eventually.ts';
import { seedJournal, type SeededCall } from '../../../support/evidence/seeded-journal.ts';

const onAir = 5000;
const ended = 1000;
const by = { tenant: sandboxTenant, app: sandboxApp };

const seeded = (now: number): SeededCall[] => [
  ...Array.from({ length: onAir }, (_, index) => ({
    ...{ by, at: now - 3_600_000 + index * 100 },
    events: [['startRequested'], ['startConfirmed', { outcome: 'completed' }]] as SeededCall['events'],
  })),
  ...Array.from({ length: ended }, (_, index) => ({
    ...{ by, at: now - 30_000 + index },
    events: [['ended', { cause: 'terminated' }]] as SeededCall['events'],
  })),
];

const browser = browserTestBed();
let testBed: ConsoleTestBed;
let first: string;
beforeAll(async () => {
  testBed = await startConsoleTestBed({
    seed: async (directory) => {
      [first = ''] = await seedJournal(directory, seeded(Date.now()));
    },
  });
});
afterAll(() => testBed.close());

const countOn = (page: Page, name: string): Promise<string | null> =>
  page.getByRole('tab', { name }).locator('.count').textContent();
const rowsDrawn = (page: Page): Promise<number> => page.locator('.grid-body .row').count();
/** Rows that fit on the page, with what is drawn beyond its edges and the row with the focus. */
const mostRows = 900 / 40 + 2 * 6 + 2;

async function openFull(): Promise<Page> {
  const page = await browser.open(testBed.url);
  await eventually(async () => Number(await countOn(page, 'On air')) >= onAir);
  await eventually(async () => Number(await countOn(page, 'Ended today')) >= ended);
  return page;
}

test('thousands of calls are counted and described, and a screenful of them is drawn', async () => {
  const page = await openFull();
  expect(Number(await page.getByRole('grid').getAttribute('aria-rowcount'))).toBeGreaterThan(onAir);
  expect(await rowsDrawn(page)).toBeLessThan(mostRows);

  await page.locator('.grid-body .row[tabindex="0"]').focus();
  for (let times = 0; times < 40; times++) {
    await page.keyboard.press('PageDown');
    expect(await rowsDrawn(page)).toBeLessThan(mostRows);
  }
  await page.keyboard.press('End');
  await page.locator(`[data-id="${first}"]`).waitFor();
  expect(await rowsDrawn(page)).toBeLessThan(mostRows);
  expect(await page.evaluate('document.activeElement.dataset.id')).toBe(first);
  // The focus stays on a row that is scrolled away.
  await page.evaluate(`document.querySelector('.grid').scrollTop = 0`);
  await page.locator('[data-index="0"]').waitFor();
  expect(await page.evaluate('document.activeElement.dataset.id')).toBe(first);
  expect(await rowsDrawn(page)).toBeLessThan(mostRows);
  await page.keyboard.press('ArrowUp');
  expect(Number(await page.evaluate('document.activeElement.dataset.index'))).toBeGreaterThan(onAir - 3);
});

test('a call that changes moves nothing but its own row, and what is read does not jump', async () => {
  const page = await openFull();
  await page.evaluate(`document.querySelector('.grid').scrollTop = 40 * 1000`);
  const topRow = `(() => {
    const { scrollTop } = document.querySelector('.grid');
    const row = document.querySelector('[data-index="' + Math.floor(scrollTop / 40) + '"]');
    return row === null ? null : { id: row.dataset.id, cut: scrollTop % 40 };
  })()`;
  await eventually(() => page.evaluate(topRow));
  const before = await page.evaluate(topRow);
  await page.evaluate(`
    globalThis.drawn = 0;
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes)
        for (const node of addedNodes) if (node.classList?.contains('row')) drawn += 1;
    }).observe(document.querySelector('.grid-body'), { childList: true });
  `);
  const shown = Number(await countOn(page, 'On air'));
  const bots = [await testBed.recordingBot(), await testBed.recordingBot(), await testBed.recordingBot()];
  await eventually(async () => Number(await countOn(page, 'On air')) === shown + bots.length);
  // Each that comes above is drawn at most where it is, at the end of the window, and as the first row that Tab leads to.
  expect(await page.evaluate(topRow)).toEqual(before);
  expect(await page.evaluate('drawn')).toBeLessThanOrEqual(3 * bots.length);
  for (const bot of bots) await bot.report('notRecording');
  await eventually(async () => Number(await countOn(page, 'On air')) === shown);
  expect(await page.evaluate(topRow)).toEqual(before);
});

test('however much happens, the page is drawn a few times a second', async () => {
  const page = await openFull();
  const bots = await Promise.all(Array.from({ length: 20 }, () => testBed.recordingBot()));
  await eventually(async () => (await page.locator(`[data-id="${bots[0]?.call ?? ''}"]`).count()) === 1);
  await page.evaluate(`
    globalThis.heard = 0;
    globalThis.draws = 0;
    const source = new EventSource('/api/events');
    for (const type of ['calls', 'activity', 'head']) source.addEventListener(type, () => (heard += 1));
    new MutationObserver(() => {
      draws += 1;
    }).observe(document.querySelector('.grid-body'), { characterData: true, childList: true, subtree: true });
    globalThis.began = performance.now();
  `);
  for (let round = 0; round < 10; round++)
    await Promise.all(
      bots.map(async (bot) => {
        await bot.upload(`round-${round}`, 1000);
        await bot.report(round % 2 === 0 ? 'notRecording' : 'recording');
      }),
    );
  await eventually(async () => Number(await page.evaluate('heard')) > 10);
  const perSecond = Number(await page.evaluate('draws / ((performance.now() - began) / 1000)'));
  expect(perSecond).toBeLessThan(6.5);
});
