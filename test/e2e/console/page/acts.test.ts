import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { sandboxTenant } from '../../../../src/sandbox/token-mint.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';
import { eventually } from '../../../support/eventually.ts';

const browser = browserTestBed();
let testBed: ConsoleTestBed;
beforeAll(async () => {
  testBed = await startConsoleTestBed();
});
afterAll(() => testBed.close());

const confirm = async (page: Page, reason: string): Promise<void> => {
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Reason/).fill(reason);
  await dialog.locator('button.danger').click();
};

test('a call is closed by hand: with a reason, and not by mistake', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(`${testBed.url}/#/call/${bot.call}`);
  const close = page.getByRole('button', { name: 'Close by hand' });
  await close.click();
  const dialog = page.getByRole('dialog', { name: /^Close call/ });
  expect(await dialog.locator('button.danger').isDisabled()).toBe(true);
  await dialog.getByLabel(/^Reason/).fill('   ');
  expect(await dialog.locator('button.danger').isDisabled()).toBe(true);
  // Neither the key nor the button that leave the dialog do anything, and the focus is where it was.
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await page.evaluate('document.activeElement.textContent')).toContain('Close by hand');
  expect((await bot.upload('still', 10)).status).toBe(201);

  await close.click();
  await confirm(page, 'asked by the customer');
  await page.getByText('the gate is closed, and Graph was told').first().waitFor();
  expect((await bot.upload('late', 10)).status).toBe(403);
  expect(testBed.graph.recordingState(bot.call)).toBe('notRecording');
  await page.getByText('An operator closed the call by hand.').first().waitFor();
  await page.getByText('Reason: asked by the customer').waitFor();
  await page.getByText('By local, of local').waitFor();
  expect(await page.locator('#announcer').textContent()).toContain('the gate is closed');
});

test('a call that has ended cannot be closed', async () => {
  const bot = await testBed.recordingBot();
  await bot.report('notRecording');
  await bot.hangUp();
  await testBed.shows(bot.call, 'ended');
  const page = await browser.open(`${testBed.url}/#/call/${bot.call}`);
  await page.locator('.big [data-state="ended"]').waitFor();
  expect(await page.getByRole('button', { name: 'Close by hand' }).count()).toBe(0);
});

test('what the gate refuses is said in the dialog, which stays', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(`${testBed.url}/#/call/${bot.call}`, { expectErrors: true });
  await page.getByRole('button', { name: 'Close by hand' }).click();
  await page.route('**/close', (route) => route.abort());
  await confirm(page, 'without an answer');
  await page.getByRole('alert').getByText('The console did not answer.').waitFor();
  await page.unroute('**/close');
  await confirm(page, 'once more');
  await page.getByText('the gate is closed, and Graph was told').first().waitFor();
});

test('a hold closes what is open and keeps it closed until it is released', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(`${testBed.url}/#/holds`);
  await page.getByText('No hold stands.').waitFor();
  await page.getByRole('button', { name: 'Set a hold' }).click();
  await page.getByLabel('Tenant id').fill(sandboxTenant.toUpperCase());
  await confirm(page, 'legal asked');
  await page
    .getByText(/^Hold \d+ on tenant .* is set\./)
    .first()
    .waitFor();
  await page.locator('.cards').getByText('legal asked').waitFor();
  await page.locator('header').getByText('1 stands').waitFor();
  expect((await bot.upload('held', 10)).status).toBe(403);
  const other = await testBed.bot();
  const refused = await other.report('recording');
  expect([refused.status, refused.headers['tallylight-reason']]).toEqual([403, 'HoldStands']);

  await page.getByRole('button', { name: '← Back' }).click();
  await page.getByRole('tab', { name: 'Needs attention' }).click();
  await page.locator(`[data-id="${bot.call}"]`).getByText('On hold').waitFor();

  await page.locator('header').getByText('1 stands').click();
  await page.getByRole('button', { name: /^Release hold/ }).click();
  await confirm(page, 'legal is done');
  await page.getByText('No hold stands.').waitFor();
  // Releasing opens nothing.
  expect((await bot.upload('released', 10)).status).toBe(403);
  await eventually(async () => (await other.report('recording')).status === 200);
});

test('a hold on everything is told on every view', async () => {
  const page = await browser.open(`${testBed.url}/#/holds`);
  await page.getByRole('button', { name: 'Set a hold' }).click();
  await page.getByLabel('all calls').check();
  await confirm(page, 'drill');
  await page.locator('[data-banner="held"]').getByText('No recording can start: drill').waitFor();
  await page.getByRole('button', { name: '← Back' }).click();
  expect(await page.locator('[data-banner="held"]').count()).toBe(1);
  await page.goto(`${testBed.url}/#/holds`);
  await page.getByRole('button', { name: /^Release hold/ }).click();
  await confirm(page, 'drill is over');
  await page.locator('[data-banner="held"]').waitFor({ state: 'detached' });
});
