import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import type { ProxyProcess } from '../../support/process.ts';
import { gatesOpen, holdsEvidence, metricsOf, workersOf } from '../../support/worker-test-bed.ts';
import { verifyEvidence } from '../../support/world.ts';

const testBed = processTestBed('hung', {
  TALLYLIGHT_GRAPH_TIMEOUT_MS: '1000',
  TALLYLIGHT_SESSION_TTL_MS: '1500',
  TALLYLIGHT_WORKERS: '2',
});
let proxy: ProxyProcess;

async function start(): Promise<void> {
  proxy = await testBed.start();
  await gatesOpen(proxy);
}

const said = (text: string): string[] => proxy.lines.filter((line) => line.includes(text));
const serving = async (): Promise<number | undefined> =>
  (await metricsOf(proxy)).get('tallylight_workers{state="serving"}');

describe('workers', () => {
  test.each(['the writer of the evidence', 'another worker'])(
    'are replaced when they hang: %s',
    async (which) => {
      await start();
      const bot = await testBed.recordingBot(proxy);
      const long = bot.slowUpload('long');
      long.send(640);
      await eventually(() =>
        testBed.peers.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0),
      );
      const before = await workersOf(proxy);
      const holds: readonly boolean[] = await eventually(async () => {
        const all = await Promise.all(before.map(holdsEvidence));
        return all.includes(true) ? all : undefined;
      });
      const victim = before.find((_, n) => holds[n] === (which === 'the writer of the evidence'))!;
      process.kill(victim, 'SIGSTOP');
      // Until it is known, every other connection is for the one that hangs.
      await eventually(async () => {
        const workers = await workersOf(proxy);
        return workers.length === 2 && !workers.includes(victim) && (await serving()) === 2;
      });
      const after = await metricsOf(proxy);
      expect(after.get('tallylight_worker_exits_total{how="hung"}')).toBe(1);
      expect(after.get('tallylight_worker_exits_total{how="unexpected"}') ?? 0).toBe(0);
      expect(said('a worker does not respond and is killed')).toHaveLength(1);
      await gatesOpen(proxy);
      expect((await bot.report('notRecording')).status).toBe(200);
      await long.over;
      proxy.kill('SIGTERM');
      expect(await proxy.exited).toBe(0);
      expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
    },
  );

  test('that hang while the process ends do not keep it', async () => {
    await start();
    const [victim] = await workersOf(proxy);
    process.kill(victim!, 'SIGSTOP');
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(1);
    expect(said('a worker does not respond and is killed')).toHaveLength(1);
  });

  test('are not killed when all of them and the process itself were suspended', async () => {
    await start();
    const workers = await workersOf(proxy);
    const all = [...workers, proxy.pid];
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    // Longer than a worker may be silent.
    await sleep(9000);
    for (const pid of all.toReversed()) process.kill(pid, 'SIGCONT');
    await gatesOpen(proxy);
    expect(await workersOf(proxy)).toEqual(workers);
    expect(said('a worker does not respond')).toEqual([]);
  });
});
