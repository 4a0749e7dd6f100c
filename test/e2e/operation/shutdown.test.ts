import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { failedStart, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { gatesOpen, isRunning, metricsOf, workersOf } from '../../support/worker-test-bed.ts';
import { verifyEvidence } from '../../support/world.ts';

const testBed = processTestBed('shutdown', { TALLYLIGHT_SESSION_TTL_MS: '3000' });

/** Longer than any test: whoever ends before was told to. */
const never = '600000';

async function start(more: Parameters<typeof testBed.start>[0] = {}): Promise<ProxyProcess> {
  const proxy = await testBed.start(more);
  await gatesOpen(proxy);
  return proxy;
}

const readiness = async (proxy: ProxyProcess, path: string): Promise<number> =>
  (await send(proxy.adminUrl, { path })).status;
const notReady = (proxy: ProxyProcess): Promise<unknown> =>
  eventually(async () => (await readiness(proxy, '/readyz')) === 503, { what: 'no readiness' });
const said = (proxy: ProxyProcess, text: string): string[] =>
  proxy.lines.filter((line) => line.includes(text));

describe.each(['1', '2'])('with a shutdown delay and %s worker(s)', (workers) => {
  const settings = { TALLYLIGHT_SHUTDOWN_DELAY_MS: never, TALLYLIGHT_WORKERS: workers };

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'after %s it is not ready and serves on, until the next signal ends the delay',
    async (signal) => {
      const proxy = await start(settings);
      const bot = await testBed.recordingBot(proxy);
      const upload = bot.slowUpload('long');
      upload.send(640);
      const write = await eventually(() =>
        testBed.peers.sink.received.find(({ callId, bytes }) => callId === bot.call && bytes > 0),
      );
      proxy.kill(signal);
      await notReady(proxy);
      expect(await readiness(proxy, '/readyz/gates')).toBe(503);
      expect(await readiness(proxy, '/livez')).toBe(200);
      // What was begun goes on, and so do requests on new connections, which are asked not to stay.
      upload.send(640);
      await eventually(() => write.bytes === 1280);
      const late = await bot.upload('late', 640);
      expect(late.status).toBe(201);
      expect(late.headers.connection).toBe('close');
      expect((await bot.report('notRecording')).status).toBe(200);
      await upload.over;
      proxy.kill('SIGHUP');
      proxy.kill('SIGTERM');
      expect(await proxy.exited).toBe(0);
      expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
    },
  );

  test('it ends by itself when the delay is over, and cuts what is not done within the drain limit', async () => {
    const proxy = await start({ ...settings, TALLYLIGHT_SHUTDOWN_DELAY_MS: '500' });
    const bot = await testBed.recordingBot(proxy);
    const upload = bot.slowUpload('unfinished');
    upload.send(640);
    await eventually(() =>
      testBed.peers.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0),
    );
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    await upload.over;
    expect(said(proxy, '"delayMs":500')).toHaveLength(1);
    expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
  });
});

describe('with a shutdown delay, workers', () => {
  test('serve on when their whole group is signalled, and none is replaced', async () => {
    const proxy = await start({ TALLYLIGHT_SHUTDOWN_DELAY_MS: never, TALLYLIGHT_WORKERS: '3' });
    const bot = await testBed.recordingBot(proxy);
    const group = [proxy.pid, ...(await workersOf(proxy))];
    for (const pid of group) process.kill(pid, 'SIGTERM');
    await notReady(proxy);
    await eventually(() => said(proxy, 'not ready any more').length === 4);
    for (let n = 0; n < 3; n += 1) expect((await bot.upload(`late-${n}`, 640)).status).toBe(201);
    const [, first, ...others] = group;
    process.kill(first!, 'SIGTERM');
    await eventually(() => !isRunning(first!));
    expect((await bot.upload('later', 640)).status).toBe(201);
    expect(await workersOf(proxy)).toEqual(others);
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    expect(said(proxy, 'exited unexpectedly')).toEqual([]);
    expect(group.slice(1).filter(isRunning)).toEqual([]);
  });

  test('are replaced when they die before the delay is over', async () => {
    const proxy = await start({ TALLYLIGHT_SHUTDOWN_DELAY_MS: never, TALLYLIGHT_WORKERS: '2' });
    proxy.kill('SIGTERM');
    await notReady(proxy);
    const [victim] = await workersOf(proxy);
    process.kill(victim!, 'SIGKILL');
    await eventually(async () => {
      const workers = await workersOf(proxy);
      const serving = (await metricsOf(proxy)).get('tallylight_workers{state="serving"}');
      return workers.length === 2 && !workers.includes(victim!) && serving === 2;
    });
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
  });
});

describe.each(['1', '2'])('without a delay and with %s worker(s)', (workers) => {
  test('a second and a third signal during the drain change nothing', async () => {
    const proxy = await start({ TALLYLIGHT_WORKERS: workers, TALLYLIGHT_DRAIN_MS: '1500' });
    const bot = await testBed.recordingBot(proxy);
    const upload = bot.slowUpload('unfinished');
    upload.send(640);
    await eventually(() =>
      testBed.peers.sink.received.some(({ callId, bytes }) => callId === bot.call && bytes > 0),
    );
    proxy.kill('SIGTERM');
    await eventually(() => said(proxy, 'shutting down').length > 0);
    proxy.kill('SIGTERM');
    proxy.kill('SIGINT');
    proxy.kill('SIGHUP');
    await upload.over;
    expect(await proxy.exited).toBe(0);
    expect(said(proxy, 'a shutdown step failed')).toEqual([]);
    expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
  });

  test('a signal during the start ends it in good order', async () => {
    let ended = false;
    const outcome = startProxyProcess(testBed.settings({ TALLYLIGHT_WORKERS: workers }), {
      onLine: (_line, child) => {
        if (!ended) ended = child.kill('SIGTERM');
      },
    }).then(
      (proxy) => proxy.exited,
      (error: unknown) => /ended with (\w+)/.exec(String(error))?.[1],
    );
    expect(String(await outcome)).toBe('0');
  });

  test.each(['TALLYLIGHT_PORT', 'TALLYLIGHT_ADMIN_PORT'])('%s that is taken is named', async (name) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, output } = await failedStart(
      testBed.settings({ TALLYLIGHT_WORKERS: workers, [name]: String(port) }),
    );
    taken.close();
    expect(code).toBe(4);
    expect(output).toContain(`${name}: port ${port} of 127.0.0.1 is in use`);
  });
});
