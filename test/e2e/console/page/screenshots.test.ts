import { mkdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { defaultPolicy } from '../../../../src/core/call/policy.ts';
import type { Bot } from '../../../../src/sandbox/bot/bot.ts';
import { browserTestBed } from '../../../support/browser.ts';
import { type ConsoleTestBed, startConsoleTestBed } from '../../../support/console-test-bed.ts';
import { seedJournal, type SeededCall } from '../../../support/evidence/seeded-journal.ts';

/** `npm run screenshots` writes the pictures of the documents; otherwise it is tested that they can be made. */
const writes = process.env.TALLYLIGHT_SCREENSHOTS === '1';
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = `${root}docs/images`;
const largestBytes = 250_000;

const minute = 60_000;
const tenants = ['5f1c2a90', 'b7709e14', 'e2d4c318'].map((id) => `${id}-6b1f-4f0e-9c55-3a2b1c0d9e8f`);
const apps = ['0c6b1f42', '9ad31e70'].map((id) => `${id}-77aa-4d21-8a3e-5b6c7d8e9f01`);

const shown = { showing: ['participant'] };
const started: SeededCall['events'] = [['startRequested'], ['startConfirmed', { outcome: 'completed' }]];
const stopped: SeededCall['events'] = [
  ['stopRequested', { cause: 'notRecording' }],
  ['drained', { interval: { openedAt: 'before' }, writes: { admitted: 412, bytes: 52_700_000, refused: 0 } }],
];
const stories: readonly {
  readonly events: SeededCall['events'];
  readonly ago: number;
  readonly times: number;
}[] = [
  { times: 9, ago: 41 * minute, events: [...started, ['rosterNotified', shown]] },
  { times: 2, ago: 9 * minute, events: [['notified', { state: 'established' }]] },
  { times: 1, ago: 6 * minute, events: [...started, ['contradicted', { kind: 'neverShown', showing: [] }]] },
  { times: 1, ago: 4 * minute, events: [...started, ...stopped, ['stopUnknown', { outcome: 'unknown' }]] },
  {
    times: 1,
    ago: 12 * minute,
    events: [['startRequested'], ['startRefused', { outcome: 'refused', code: '8506' }]],
  },
  {
    times: 3,
    ago: 17 * minute,
    events: [
      ...started,
      ...stopped,
      ['stopConfirmed'],
      ['writesRefused', { refused: { RecordingNotActive: 4 } }],
    ],
  },
  {
    times: 6,
    ago: 5 * minute,
    events: [...started, ...stopped, ['stopConfirmed'], ['ended', { cause: 'hangUp' }]],
  },
];

const seeded = (now: number): SeededCall[] =>
  stories.flatMap(({ events, ago, times }) =>
    Array.from({ length: times }, (_, index) => ({
      events,
      policy: defaultPolicy.digest,
      at: now - ago - index * 97_000,
      by: { tenant: tenants[index % 3] ?? '', app: apps[index % 2] ?? '' },
    })),
  );

const browser = browserTestBed();
let testBed: ConsoleTestBed;
const bots: Bot[] = [];
let traffic: NodeJS.Timeout;
beforeAll(async () => {
  testBed = await startConsoleTestBed({
    notifications: true,
    seed: async (directory) => {
      await seedJournal(directory, seeded(Date.now()));
    },
  });
  for (let index = 0; index < 5; index++) bots.push(await testBed.recordingBot());
  let round = 0;
  traffic = setInterval(() => {
    round += 1;
    for (const [index, bot] of bots.entries())
      void bot.upload(`part-${round}`, 4000 * (index + 2) * (1 + (round % 5))).catch(() => undefined);
  }, 200);
});
afterAll(() => {
  clearInterval(traffic);
  return testBed.close();
});

async function picture(page: Page, name: string): Promise<void> {
  const bytes = await page.screenshot(writes ? { path: `${folder}/${name}.png` } : {});
  expect(bytes.length).toBeGreaterThan(10_000);
  expect(bytes.length).toBeLessThan(largestBytes);
  const kept = await stat(`${folder}/${name}.png`);
  expect(kept.size).toBeLessThan(largestBytes);
}

const viewport = { width: 1300, height: 620 };

test('the wall', async () => {
  if (writes) await mkdir(folder, { recursive: true });
  const page = await browser.open(testBed.url, { colorScheme: 'dark', viewport });
  await page
    .locator(`[data-id="${bots[0]?.call ?? ''}"] .is-media`)
    .getByText('B/s')
    .waitFor();
  await picture(page, 'console-dark');
});

test('what needs attention', async () => {
  const page = await browser.open(`${testBed.url}/#/attention`, { colorScheme: 'light', viewport });
  await page.locator('.grid-body').getByText('Roster disagrees').waitFor();
  await picture(page, 'console-attention');
});

test('one call', async () => {
  const page = await browser.open(`${testBed.url}/#/call/${bots[1]?.call ?? ''}`, {
    colorScheme: 'light',
    viewport: { width: 1100, height: 900 },
  });
  await page.locator('.chart canvas').waitFor();
  // Some points of the chart.
  await page.getByText('Graph confirmed the recording.').waitFor();
  await page.waitForTimeout(writes ? 20_000 : 0);
  await picture(page, 'console-call');
});

test('the documents show them', async () => {
  for (const [document, name] of [
    ['README.md', 'console-dark'],
    ['docs/operate/console.md', 'console-attention'],
    ['docs/operate/console.md', 'console-call'],
  ] as const)
    expect(await readFile(root + document, 'utf8')).toContain(`images/${name}.png`);
});
