import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

const testBed = processTestBed('restore');

async function end(proxy: Awaited<ReturnType<typeof testBed.start>>): Promise<void> {
  proxy.kill('SIGTERM');
  expect(await proxy.exited).toBe(0);
}

async function verified(directory: string, options: { storeLost?: boolean } = {}) {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.jsonl'));
  return verifyJournal(
    names.map((name) => join(directory, name)),
    options,
  );
}

/** What the page tells the operator to run, on this server. */
async function documented(redis: TestRedis): Promise<void> {
  const page = await readFile(new URL('../../../docs/operate/restore.md', import.meta.url), 'utf8');
  const pattern = /--scan --pattern '([^']+:shard)'/.exec(page)?.[1] ?? '';
  const keys = (await redis.cli('--scan', '--pattern', pattern)).split('\n');
  expect(keys.length).toBeGreaterThan(1);
  await redis.cli('del', ...keys);
}

test.each([
  ['syncs always, with the marks deleted as the page says', [], documented],
  ['syncs each second, with nothing done', ['--appendfsync', 'everysec'], () => Promise.resolve()],
] as const)('a snapshot restored onto a server that %s opens no gate', async (_, settings, prepare) => {
  const redis = await startRedis({ appendOnly: true, settings });
  testBed.later(() => redis.stop());
  const more = { TALLYLIGHT_REDIS_URL: redis.url };
  const proxy = await testBed.start(more);
  const stopped = await testBed.recordingBot(proxy);
  const snapshot = await redis.copyData();
  expect((await stopped.report('notRecording')).status).toBe(200);
  const later = await testBed.recordingBot(proxy);
  await end(proxy);

  await redis.restart({ keepData: true, from: snapshot });
  await prepare(redis);
  const restored = await testBed.start(more);
  const again = async ({ call }: Bot): Promise<Bot> =>
    new Bot(restored.url, await testBed.peers.mint.mint(), call);
  const [a, b] = [await again(stopped), await again(later)];
  await eventually(async () => (await fetch(`${restored.adminUrl}/readyz`)).ok);
  for (const bot of [a, b]) {
    await eventually(async () => (await bot.upload('media', 10)).status === 403);
    expect((await bot.post('keepAlive')).status).toBe(200);
  }
  // Once the wait is over, either call is recorded only after a confirmation of its own.
  for (const bot of [a, b]) {
    expect((await bot.upload('media', 10)).status).toBe(403);
    await eventually(async () => (await bot.report('recording')).status === 200);
    await eventually(async () => (await bot.upload('media', 10)).status === 201);
    expect((await bot.report('notRecording')).status).toBe(200);
  }
  const asked = testBed.peers.graph.log.filter(
    ({ call, action }) => action === 'updateRecordingStatus' && call === stopped.call,
  );
  expect(asked.map((entry) => entry.asked)).toEqual([
    'recording',
    'notRecording',
    'notRecording',
    'recording',
    'notRecording',
  ]);
  await end(restored);
  const evidence = join(testBed.home, 'evidence');
  expect(await verified(evidence)).toMatchObject({ ok: false });
  expect(await verified(evidence, { storeLost: true })).toMatchObject({ ok: true });
});

test('a new evidence directory beside a restored one continues the evidence, and each is valid', async () => {
  const redis = await startRedis({ appendOnly: true });
  testBed.later(() => redis.stop());
  const more = { TALLYLIGHT_REDIS_URL: redis.url };
  const evidence = join(testBed.home, 'evidence');
  const first = await testBed.start(more);
  const bot = await testBed.recordingBot(first);
  await end(first);
  const backup = join(testBed.home, 'backup');
  await cp(evidence, backup, { recursive: true });
  const second = await testBed.start(more);
  const going = new Bot(second.url, await testBed.peers.mint.mint(), bot.call);
  expect((await going.report('notRecording')).status).toBe(200);
  await end(second);
  await rm(evidence, { recursive: true });
  // A new directory beside what was restored.
  const sink = (await readFile(join(backup, 'sink-id'), 'utf8')).trim();
  const third = await testBed.start({
    ...more,
    TALLYLIGHT_EVIDENCE_MOVED_FROM: sink,
    TALLYLIGHT_EVIDENCE_DIR: join(testBed.home, 'new'),
  });
  const last = new Bot(third.url, await testBed.peers.mint.mint(), bot.call);
  await eventually(async () => (await last.report('recording')).status === 200);
  await end(third);
  expect(await verified(backup)).toMatchObject({ ok: true, openIntervals: 1, moves: 0 });
  expect(await verified(join(testBed.home, 'new'))).toMatchObject({ ok: true, moves: 1 });
});
