import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { sandboxTenant } from '../../../../src/sandbox/token-mint.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';

const audience = 'api://tallylight-console';
const markup = '<img src=x onerror="globalThis.hit = true"><script>globalThis.hit = true</script>';

const browser = browserTestBed();
let testBed: ConsoleTestBed;
beforeAll(async () => {
  testBed = await startConsoleTestBed({
    settings: ({ mint: { issuer, jwksUri } }) => ({
      TALLYLIGHT_CONSOLE_ISSUERS: JSON.stringify([{ issuer, audience, jwksUri, tenantsClaim: 'mayWatch' }]),
    }),
  });
});
afterAll(() => testBed.close());

const tokenOf = (claims: Readonly<Record<string, unknown>>): Promise<string> =>
  testBed.mint.mint({ aud: audience, sub: 'operator-1', mayWatch: [sandboxTenant], ...claims });

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Access token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('nothing is shown before somebody has signed in, nor after', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(testBed.url, { expectErrors: true });
  await page.getByLabel('Access token').waitFor();
  expect(await page.content()).not.toContain(bot.call);
  await signIn(page, 'nonsense');
  await page.getByRole('alert').getByText('not valid').waitFor();
  await signIn(page, await testBed.mint.mint());
  await page.getByRole('alert').getByText('not valid').waitFor();
  await signIn(
    page,
    await tokenOf({ roles: ['Tallylight.Operate', 'Tallylight.View'], name: 'Olga Operator' }),
  );
  await page.locator(`[data-id="${bot.call}"]`).waitFor();
  await page.getByText('Olga Operator').waitFor();
  await page.reload();
  await page.locator(`[data-id="${bot.call}"]`).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Access token').waitFor();
  expect(await page.content()).not.toContain(bot.call);
  await page.reload();
  await page.getByLabel('Access token').waitFor();
});

test('who may only look is offered nothing to do', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(`${testBed.url}/#/call/${bot.call}`, { expectErrors: true });
  await signIn(page, await tokenOf({ roles: ['Tallylight.View'] }));
  await page.getByText('Graph confirmed the recording.').waitFor();
  expect(await page.locator('button.danger').count()).toBe(0);
  await page.locator('header').getByRole('link', { name: 'none' }).click();
  await page.getByText('No hold stands.').waitFor();
  expect(await page.locator('button.danger').count()).toBe(0);
});

test('who is limited to tenants sees these alone, and may hold these alone', async () => {
  const bot = await testBed.recordingBot();
  const page = await browser.open(testBed.url, { expectErrors: true });
  const other = '99999999-9999-4999-8999-999999999999';
  await signIn(page, await tokenOf({ roles: ['Tallylight.View', 'Tallylight.Operate'], mayWatch: [other] }));
  await page.getByText('No call is being recorded.').waitFor();
  await page.goto(`${testBed.url}/#/call/${bot.call}`);
  await page.getByText('The call does not exist.').waitFor();
  await page.goto(`${testBed.url}/#/holds`);
  await page.getByRole('button', { name: 'Set a hold' }).click();
  expect(await page.getByRole('radio').count()).toBe(1);
  expect(await page.getByLabel('Tenant id').inputValue()).toBe(other);
});

test('text from outside is text: names, reasons, codes of Graph', async () => {
  const page = await browser.open(testBed.url, { expectErrors: true });
  await signIn(
    page,
    await tokenOf({ roles: ['Tallylight.View', 'Tallylight.Operate'], sub: markup, name: markup }),
  );
  await page.locator('.who').getByText(markup).waitFor();
  const bot = await testBed.recordingBot();
  await bot.report('notRecording');
  const error = { status: 403, code: markup, message: markup, headers: {} };
  testBed.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer: { error } });
  await bot.report('recording');
  await page.getByRole('tab', { name: 'Not recorded' }).click();
  await page.locator(`[data-id="${bot.call}"]`).click();
  await page.getByText('Graph refused the recording. The gate stayed closed.').waitFor();
  await page.locator('.timeline summary').first().click();
  await page.getByText(`"code": ${JSON.stringify(markup)}`).waitFor();

  await page.goto(`${testBed.url}/#/holds`);
  await page.getByRole('button', { name: 'Set a hold' }).click();
  await page.getByLabel('Tenant id').fill(sandboxTenant);
  await page.getByLabel(/^Reason/).fill(markup);
  await page.getByRole('dialog').locator('button.danger').click();
  await page.locator('.reason').getByText(markup).waitFor();
  await page.getByText('Set by').getByText(markup).waitFor();
  await page.goto(`${testBed.url}/#/call/${markup}`);
  await page.getByRole('tablist').waitFor();
  expect(await page.evaluate('globalThis.hit')).toBeUndefined();
  expect(await page.locator('#page img, #page script').count()).toBe(0);
});
