import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sandboxTenant } from '../../../../src/sandbox/token-mint.ts';
import { objections } from '../../../support/axe.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';

const browser = browserTestBed();
const until = new Date(Date.now() + 24 * 60 * 60 * 1000).toISOString();
let testBed: ConsoleTestBed;
beforeAll(async () => {
  testBed = await startConsoleTestBed({
    settings: () => ({ TALLYLIGHT_OBSERVE_UNTIL: until, TALLYLIGHT_OBSERVE_TENANTS: sandboxTenant }),
  });
});
afterAll(() => testBed.close());

test('while the gate only observes, the page says so above everything, and at every call', async () => {
  const page = await browser.open(testBed.url);
  const banner = page.locator('[data-banner="observing"]');
  await banner.waitFor();
  expect(await banner.textContent()).toContain('Not enforcing.');
  expect(await banner.textContent()).toContain(until);

  const bot = await testBed.recordingBot();
  const row = page.locator(`.grid-body [data-id="${bot.call}"]`);
  await row.getByText('not enforced').waitFor();
  await bot.report('notRecording');
  expect((await bot.upload('late', 10)).status).toBe(201);
  await page.goto(`${testBed.url}/#/call/${bot.call}`);
  await page.getByText('The laws were not enforced for this call.').waitFor();
  await page.getByText('Writes that would have been refused').waitFor();
  await page.getByText('Writes passed that would have been refused.').waitFor();
  expect(await objections(page)).toEqual([]);
});
