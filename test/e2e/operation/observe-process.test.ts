import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Readiness } from '../../../src/server/readiness.ts';
import { sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, type ProxyProcess, runToEnd } from '../../support/process.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { send } from '../../support/raw-http.ts';
import { gatesOpen } from '../../support/worker-test-bed.ts';

const testBed = processTestBed('observe');
const day = 24 * 60 * 60 * 1000;
const inDays = (days: number): string => new Date(Date.now() + days * day).toISOString();
const observing = (until: string): Record<string, string> => ({
  TALLYLIGHT_OBSERVE_UNTIL: until,
  TALLYLIGHT_OBSERVE_TENANTS: sandboxTenant,
});

async function readiness({ adminUrl }: ProxyProcess): Promise<Readiness> {
  return JSON.parse((await send(adminUrl, { path: '/readyz/gates' })).body) as Readiness;
}

const line = (proxy: ProxyProcess, text: string): Promise<string> =>
  eventually(() => proxy.lines.find((each) => each.includes(text)), { what: text });

test.each<[string, Record<string, string>, string]>([
  ['is too far ahead', observing(inDays(31)), 'TALLYLIGHT_OBSERVE_UNTIL is more than 30 days ahead'],
  ['names no tenant', { TALLYLIGHT_OBSERVE_UNTIL: inDays(1) }, 'TALLYLIGHT_OBSERVE_TENANTS is missing'],
  ['is no date', observing('next week'), 'TALLYLIGHT_OBSERVE_UNTIL must be a date'],
])('an observation that %s stops the start', async (_, settings, told) => {
  const { code, output } = await failedStart(testBed.settings(settings));
  expect([code, output]).toEqual([3, expect.stringContaining(told)]);
});

test('an observation that is over enforces, and the start warns of it', async () => {
  const proxy = await testBed.start(observing(inDays(-1)));
  await gatesOpen(proxy);
  expect(await readiness(proxy)).not.toHaveProperty('enforcing');
  await line(proxy, 'TALLYLIGHT_OBSERVE_UNTIL');
  const bot = await testBed.newBot(proxy);
  expect((await bot.upload('early', 640)).status).toBe(403);
});

test('an instance that enforces does not join a store that observes, nor the other way round', async () => {
  const until = inDays(1);
  const first = await testBed.start(observing(until));
  await gatesOpen(first);
  await eventually(async () => (await readiness(first)).enforcing === false, { what: 'observation' });
  const second = await testBed.start();
  const refused = await eventually(async () => {
    const { obstacles = [] } = await readiness(second);
    return obstacles.find(({ text }) => text.includes('TALLYLIGHT_OBSERVE_UNTIL differs'));
  });
  expect(refused.code).toBe('SessionMissing');
  const bot = await testBed.newBot(second);
  expect((await bot.upload('early', 640)).status).toBeGreaterThanOrEqual(400);
  const early = await testBed.newBot(first);
  expect((await early.upload('early', 640)).status).toBe(201);
  first.kill('SIGTERM');
  expect(await first.exited).toBe(0);
  await gatesOpen(second);
  const third = await testBed.start(observing(until));
  await eventually(async () => {
    const { obstacles = [] } = await readiness(third);
    return obstacles.some(({ text }) => text.includes('TALLYLIGHT_OBSERVE_UNTIL differs'));
  });
});

test('SIGHUP changes no observation: it names the setting, and the previous one stays in force', async () => {
  const file = join(testBed.home, 'settings.yaml');
  const write = (until: string): Promise<void> =>
    writeFile(
      file,
      `TALLYLIGHT_OBSERVE_UNTIL: ${until}\nTALLYLIGHT_OBSERVE_TENANTS:\n  - ${sandboxTenant}\n`,
    );
  const until = inDays(1);
  await write(until);
  const proxy = await testBed.start({ TALLYLIGHT_CONFIG: file });
  await eventually(async () => (await readiness(proxy)).observeUntil === until, { what: 'observation' });
  await write(inDays(2));
  proxy.kill('SIGHUP');
  expect(await line(proxy, 'settings have changed')).toContain('TALLYLIGHT_OBSERVE_UNTIL');
  await write(inDays(31));
  proxy.kill('SIGHUP');
  expect(await line(proxy, 'the settings are no longer valid')).toContain('more than 30 days ahead');
  expect((await readiness(proxy)).observeUntil).toBe(until);
});

test('with workers SIGHUP refuses another observation, and every worker observes until the same end', async () => {
  const file = join(testBed.home, 'settings.yaml');
  const write = (until: string): Promise<void> => writeFile(file, `TALLYLIGHT_OBSERVE_UNTIL: ${until}\n`);
  const until = inDays(1);
  await write(until);
  const proxy = await testBed.start({
    TALLYLIGHT_CONFIG: file,
    TALLYLIGHT_OBSERVE_TENANTS: sandboxTenant,
    TALLYLIGHT_WORKERS: '2',
  });
  await gatesOpen(proxy);
  await eventually(async () => (await readiness(proxy)).observeUntil === until, { what: 'observation' });
  await write(inDays(2));
  proxy.kill('SIGHUP');
  expect(await line(proxy, 'cannot be changed by a rolling replacement')).toContain(
    'TALLYLIGHT_OBSERVE_UNTIL',
  );
  expect(await readiness(proxy)).toMatchObject({ enforcing: false, observeUntil: until });
  const { body } = await send(proxy.adminUrl, { path: '/metrics' });
  expect(body).toContain('\ntallylight_enforcing 0\n');
});

test('the verifier gives no verdict but "not enforced"', async () => {
  const proxy = await testBed.start(observing(inDays(1)));
  const bot = await testBed.recordingBot(proxy);
  expect((await bot.report('notRecording')).status).toBe(200);
  expect((await bot.upload('late', 640)).status).toBe(201);
  proxy.kill('SIGTERM');
  expect(await proxy.exited).toBe(0);
  const main = join(process.cwd(), 'dist/src/cli/verify.js');
  const { code, out } = await runToEnd(['--calls', join(testBed.home, 'evidence')], {}, { main });
  expect(code).toBe(0);
  expect(out).toContain('It does not show that the laws were kept for the calls that were not enforced.');
  expect(out).toMatch(/verdict\s+not enforced/);
});
