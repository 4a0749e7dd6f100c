import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { metricsTable } from '../../../src/metrics/table.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import type { ProxyProcess } from '../../support/process.ts';
import { gatesOpen, metricsOf } from '../../support/worker-test-bed.ts';

const testBed = processTestBed('merged-metrics');
const oldestStop = 'tallylight_stop_oldest_unconfirmed_seconds';

/** A stop that Graph never answers. */
async function leaveUnconfirmed(bot: Bot): Promise<void> {
  testBed.peers.graph.script({
    ...{ action: 'updateRecordingStatus', call: bot.call, asked: 'notRecording' },
    ...{ answer: 'reset', effect: 'never' },
  });
  expect((await bot.report('notRecording')).status).toBe(502);
}

const ageAt = async (proxy: ProxyProcess): Promise<number> => (await metricsOf(proxy)).get(oldestStop) ?? -1;

test('two workers tell each number once, or as a sum, as its row says', async () => {
  const list = join(testBed.home, 'revoked.yaml');
  await writeFile(list, '[]\n');
  const proxy = await testBed.start({ TALLYLIGHT_WORKERS: '2', TALLYLIGHT_REVOKED_TOKENS_FILE: list });
  await gatesOpen(proxy);
  const [recording, stopped] = [await testBed.recordingBot(proxy), await testBed.recordingBot(proxy)];
  // Connections go to the workers in turn.
  for (let n = 0; n < 4; n += 1) expect((await recording.upload(`part-${n}`, 100)).status).toBe(201);
  await leaveUnconfirmed(stopped);
  await writeFile(list, '- jti: one\n');
  const reloaded = 'tallylight_revocation_list_reloads_total{outcome="ok"}';
  const now = await eventually(async () => {
    const found = await metricsOf(proxy);
    return found.get(reloaded) === 2 && (found.get(oldestStop) ?? 0) > 0.5 ? found : undefined;
  });

  // What each has of its own is added up.
  expect(now.get('tallylight_open_grants')).toBe(2);
  expect(now.get('tallylight_requests_limit{plane="media"}')).toBe(2 * defaultLimits.maxUploads);
  expect(now.get('tallylight_graph_credential_requests_total{outcome="ok"}')).toBe(2);
  expect(now.get('tallylight_admitted_live_bytes_total')).toBe(400);
  expect(now.get('tallylight_log_lines_dropped_total')).toBe(0);
  expect(now.get('tallylight_graph_credential_reloads_total{outcome="failed"}')).toBe(0);
  // What both know is told once.
  expect(now.get('tallylight_calls{state="recording"}')).toBe(1);
  expect(now.get('tallylight_calls{state="unconfirmed"}')).toBe(1);
  expect(now.get('tallylight_enforcing')).toBe(1);
  expect(now.get('tallylight_session_live')).toBe(1);
  expect(now.get('tallylight_workers{state="serving"}')).toBe(2);
  const clock = Date.now() / 1000;
  for (const name of ['policies', 'graphCredential', 'revokedTokens'])
    expect(
      Math.abs((now.get(`tallylight_reload_last_success_timestamp_seconds{what="${name}"}`) ?? 0) - clock),
    ).toBeLessThan(3600);
  expect(now.get('tallylight_evidence_free_bytes')).toBeGreaterThan(0);

  // Each of our metrics that is served has one series for its labels, and no worker of its own among them.
  const names = new Set(metricsTable.map(({ name }) => name));
  const served = [...now.keys()].filter((series) => series.startsWith('tallylight_'));
  for (const series of served) {
    expect(series).not.toMatch(/worker=/);
    const [name = ''] = /^[a-z_]+/.exec(series) ?? [];
    expect(names.has(name) || names.has(name.replace(/_(bucket|sum|count)$/, ''))).toBe(true);
  }

  expect((await stopped.report('notRecording')).status).toBe(200);
  await eventually(async () => (await ageAt(proxy)) === 0);
});

test('a stop whose instance was killed keeps its age on the others, until Graph has confirmed it', async () => {
  const [first, second] = [await testBed.start(), await testBed.start()];
  const bot = await testBed.recordingBot(first);
  expect(await ageAt(second)).toBe(0);
  await leaveUnconfirmed(bot);
  await eventually(async () => (await ageAt(second)) > 0.5);
  expect(await ageAt(first)).toBeGreaterThan(0.5);
  first.kill('SIGKILL');
  await first.exited;
  const age = await ageAt(second);
  await eventually(async () => (await ageAt(second)) > age + 0.5);

  const elsewhere = new Bot(second.url, await testBed.peers.mint.mint(), bot.call);
  await eventually(async () => (await elsewhere.report('notRecording')).status === 200);
  await eventually(async () => (await ageAt(second)) === 0);
});
