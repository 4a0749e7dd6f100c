import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CallRow } from '../../../src/console/row.ts';
import { sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { callsOf, listenToConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { type ProxyProcess, runToEnd } from '../../support/process.ts';
import { gatesOpen, metricsOf } from '../../support/worker-test-bed.ts';

const testBed = processTestBed('console-workers', {
  TALLYLIGHT_SESSION_TTL_MS: '1500',
  TALLYLIGHT_WORKERS: '2',
  TALLYLIGHT_CONSOLE_PORT: '0',
});
let proxy: ProxyProcess;
let url: string;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-console-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function start(): Promise<void> {
  proxy = await testBed.start();
  await gatesOpen(proxy);
  const listening = proxy.lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly msg?: string; readonly consoleUrl?: string })
    .find(({ msg }) => msg === 'listening');
  url = listening?.consoleUrl ?? '';
}

const inState = (call: string, state: CallRow['state']): Promise<CallRow> =>
  eventually(async () => (await callsOf(url)).find((row) => row.id === call && row.state === state));

const run = (...args: readonly string[]): ReturnType<typeof runToEnd> =>
  runToEnd([...args, '--url', url], {});

describe('the console of several workers, and the commands that speak to it', () => {
  test('shows calls, closes them, and sets holds that every worker acts on', async () => {
    await start();
    const bot = await testBed.recordingBot(proxy);
    await inState(bot.call, 'recording');
    const stream = await listenToConsole(url);
    await eventually(() => stream.events[0]);
    // Every connection goes to the next worker.
    for (let n = 0; n < 4; n++) expect((await bot.upload(`part-${n}`, 1000)).status).toBe(201);
    await eventually(async () => (await inState(bot.call, 'recording')).bytes === 4000);
    await eventually(() => stream.events.some(({ event }) => event === 'activity'));
    stream.close();

    const listed = await run('calls');
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toContain(bot.call);
    expect(listed.out).toContain(sandboxTenant);
    const shown = await run('call', bot.call, '--json');
    expect(JSON.parse(shown.out)).toMatchObject({ id: bot.call, storeAnswered: true });
    expect((await run('call', bot.call)).out).toContain('startConfirmed (starting -> recording)');

    const closed = await run('close', bot.call, '--reason', 'audit');
    expect(closed).toMatchObject({ code: 0, out: 'The gate is closed, and Graph was told.\n' });
    expect((await bot.upload('late', 10)).status).toBe(403);

    const again = await testBed.recordingBot(proxy);
    const set = await run('hold', '--tenant', sandboxTenant, '--reason', 'incident 7', '--json');
    expect([0, 6]).toContain(set.code);
    const { hold } = JSON.parse(set.out) as { readonly hold: { readonly id: string } };
    for (let n = 0; n < 4; n++) await eventually(async () => (await again.upload('held', 10)).status === 403);
    expect((await run('holds')).out).toContain(`${hold.id}  number 1  tenant ${sandboxTenant}`);
    const released = await run('release', hold.id, '--reason', 'over');
    expect([0, 6]).toContain(released.code);
    expect(released.out).toContain('Hold released');
    expect((await run('holds')).out).toBe('No hold stands.\n');

    const numbers = await metricsOf(proxy);
    expect(numbers.get('tallylight_console_acts_total{act="close",outcome="done"}')).toBe(1);
    expect(numbers.get('tallylight_console_acts_total{act="hold",outcome="refused"}')).toBe(0);
    expect(numbers.get('tallylight_console_journal_behind_seconds')).toBeGreaterThanOrEqual(0);
  });

  test('says what is wrong in one line, with the code that the table names', async () => {
    await start();
    const dead = '00000000-0000-4000-8000-00000000dead';
    expect(await run('close', dead, '--reason', 'audit')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^tallylight: close: CallNotFound: .*\n$/) as unknown,
    });
    expect(await run('close', dead)).toMatchObject({ code: 2 });
    const file = join(directory, 'token');
    await writeFile(file, 'no token\n');
    expect((await run('holds', '--token-file', join(directory, 'missing'))).code).toBe(1);
    const nobody = await runToEnd(['calls', '--url', 'http://127.0.0.1:1'], {});
    expect(nobody).toMatchObject({ code: 1, out: '' });
    expect(nobody.err).toMatch(
      /^tallylight: calls: no answer from the console at http:\/\/127\.0\.0\.1:1: .*\n$/,
    );
  });
});
