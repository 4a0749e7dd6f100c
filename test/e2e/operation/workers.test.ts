import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { failedStart, type ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { gatesOpen, isRunning, metricsOf, putUnderLoad, workersOf } from '../../support/worker-test-bed.ts';
import { verifyEvidence } from '../../support/world.ts';

const graphTimeoutMs = 1000;
const testBed = processTestBed('workers', {
  TALLYLIGHT_GRAPH_TIMEOUT_MS: String(graphTimeoutMs),
  TALLYLIGHT_SESSION_TTL_MS: '1500',
  TALLYLIGHT_WORKERS: '3',
});
let proxy: ProxyProcess;

async function start(more: Parameters<typeof testBed.start>[0] = {}): Promise<ProxyProcess> {
  proxy = await testBed.start(more);
  await gatesOpen(proxy);
  return proxy;
}

const recordingBot = (): Promise<Bot> => testBed.recordingBot(proxy);

const facts = (): Record<string, unknown>[] =>
  proxy.lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const said = (text: string): Record<string, unknown>[] =>
  facts().filter(({ msg }) => String(msg).includes(text));
const serving = async (): Promise<number | undefined> =>
  (await metricsOf(proxy)).get('tallylight_workers{state="serving"}');
const writesOf = (call: string): typeof testBed.peers.sink.received =>
  testBed.peers.sink.received.filter(({ callId }) => callId === call);
const stopOf = (call: string): number =>
  testBed.peers.graph.log.find((entry) => entry.call === call && entry.asked === 'notRecording')
    ?.receivedAt ?? 0;

describe('several workers', () => {
  test('keep both laws together, and tell their numbers as one', async () => {
    await start();
    const bot = await recordingBot();
    // Every connection goes to the next worker.
    for (let n = 0; n < 6; n += 1) expect((await bot.upload(`part-${n}`, 640)).status).toBe(201);
    const during = await metricsOf(proxy);
    expect(during.get('tallylight_open_grants')).toBe(3);
    expect(during.get('tallylight_calls{state="recording"}')).toBe(1);
    expect(during.get('tallylight_session_live')).toBe(1);
    expect(during.get('tallylight_store_up')).toBe(1);
    expect(during.get('tallylight_workers{state="serving"}')).toBe(3);
    expect(during.get('tallylight_gate_decisions_total{surface="media",reason="admitted"}')).toBe(6);
    expect(during.get('tallylight_upstream_answers_total{status="201"}')).toBe(6);
    const confirmed = 'event="startConfirmed",from="starting",to="recording"';
    expect(during.get(`tallylight_call_transitions_total{${confirmed}}`)).toBe(1);

    const uploads = ['a', 'b', 'c'].map((name) => bot.slowUpload(`long-${name}`));
    for (const upload of uploads) upload.send(64_000);
    const writes = await eventually(() => {
      const begun = writesOf(bot.call).filter(({ path, bytes }) => path.includes('long') && bytes > 0);
      return begun.length === 3 ? begun : undefined;
    });
    expect((await bot.report('notRecording')).status).toBe(200);
    await Promise.all(uploads.map(({ over }) => over));
    await eventually(() => writes.every(({ endedAt }) => endedAt !== null));
    expect(writes.map(({ complete }) => complete)).toEqual([false, false, false]);
    for (const { lastByteAt } of writes) expect(lastByteAt).toBeLessThan(stopOf(bot.call));
    for (let n = 0; n < 6; n += 1) expect((await bot.upload('late', 640)).status).toBe(403);
    expect((await metricsOf(proxy)).get('tallylight_open_grants')).toBe(0);

    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    const workers = new Set(facts().map(({ worker }) => worker));
    expect([...workers].toSorted()).toEqual([0, 1, 2, 3]);
    expect(
      said('joined the store')
        .map(({ worker }) => worker)
        .toSorted(),
    ).toEqual([1, 2, 3]);
    const report = await verifyEvidence(testBed.home);
    expect(report.misfit).toBeNull();
    expect(report.intervals).toBe(1);
  });

  test('drain on SIGTERM: an upload is cut, the exit code is 0, and the evidence verifies', async () => {
    await start();
    const bot = await recordingBot();
    const upload = bot.slowUpload('unfinished');
    upload.send(640);
    const write = await eventually(() => writesOf(bot.call).find(({ bytes }) => bytes > 0));
    const workers = await workersOf(proxy);
    proxy.kill('SIGTERM');
    await upload.over;
    expect(await proxy.exited).toBe(0);
    expect(write.complete).toBe(false);
    expect(workers.filter(isRunning)).toEqual([]);
    expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
  });

  test('end by themselves when the process that forked them is killed', async () => {
    await start();
    const bot = await recordingBot();
    const upload = bot.slowUpload('unfinished');
    upload.send(640);
    await eventually(() => writesOf(bot.call).find(({ bytes }) => bytes > 0));
    const workers = await workersOf(proxy);
    expect(workers).toHaveLength(3);
    process.kill(proxy.pid, 'SIGKILL');
    await eventually(() => !workers.some(isRunning), { what: 'the end of the workers' });
    // The recording goes on, so that is not what the bot is told.
    expect((await upload.over)?.status).toBe(503);
    expect(writesOf(bot.call)[0]?.complete).toBe(false);
    expect(await proxy.exited).toBe('SIGKILL');
    // In good order: what each had done is in the evidence, and no session is left to be waited out.
    expect(said('shutting down')).toHaveLength(3);
    expect(said('a shutdown step failed')).toEqual([]);
    expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
  });

  test('are replaced when they die, the writer of the evidence too, and numbers do not shrink', async () => {
    await start();
    const bot = await recordingBot();
    for (let n = 0; n < 6; n += 1) expect((await bot.upload(`part-${n}`, 640)).status).toBe(201);
    const admitted = 'tallylight_gate_decisions_total{surface="media",reason="admitted"}';
    expect((await metricsOf(proxy)).get(admitted)).toBe(6);
    const before = await workersOf(proxy);
    for (const victim of before) {
      process.kill(victim, 'SIGKILL');
      await eventually(async () => {
        const workers = await workersOf(proxy);
        return workers.length === 3 && !workers.includes(victim) && (await serving()) === 3;
      });
    }
    await gatesOpen(proxy);
    const after = await metricsOf(proxy);
    expect(after.get(admitted)).toBe(6);
    expect(after.get('tallylight_worker_exits_total{how="unexpected"}')).toBe(3);
    for (let n = 0; n < 3; n += 1) expect((await bot.upload(`more-${n}`, 640)).status).toBe(201);
    expect((await metricsOf(proxy)).get(admitted)).toBe(9);
    await eventually(async () => (await bot.report('notRecording')).status === 200);
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    expect((await verifyEvidence(testBed.home)).misfit).toBeNull();
  });

  test('are not replaced for ever: a process whose workers only die says so and ends', async () => {
    await start({ TALLYLIGHT_WORKERS: '2' });
    let killed = 0;
    await eventually(async () => {
      // Its children cannot be read once it is gone.
      const workers = await workersOf(proxy).catch(() => undefined);
      for (const worker of workers ?? [])
        killed += isRunning(worker) ? Number(process.kill(worker, 'SIGKILL')) : 0;
      return workers === undefined;
    });
    expect(await proxy.exited).toBe(4);
    expect(killed).toBeGreaterThan(7);
    expect(said('crash-loop protection')).not.toEqual([]);
    const last = /^tallylight: TALLYLIGHT_WORKERS: /;
    expect(proxy.lines.filter((line) => last.test(line))).toHaveLength(1);
  });

  test('are ready for signalling when one is, and for gates when all are', async () => {
    await start();
    const ready = async (path: string): Promise<[number, string]> => {
      const { status, body } = await send(proxy.adminUrl, { path });
      return [status, body];
    };
    expect(await ready('/livez')).toEqual([200, '{"live":true}']);
    expect(await ready('/readyz')).toEqual([200, '{"signalling":true,"gates":true}']);
    const [one] = await workersOf(proxy);
    // Each time for less than it takes until a worker counts as hung.
    const whileSuspended = async <T>(look: () => Promise<T>): Promise<T> => {
      process.kill(one!, 'SIGSTOP');
      const seen = await look();
      process.kill(one!, 'SIGCONT');
      await gatesOpen(proxy);
      return seen;
    };
    expect(await whileSuspended(() => ready('/readyz'))).toEqual([
      200,
      expect.stringMatching(/"gates":"worker \d: it does not answer","obstacles":\[\{"code":"WorkerSilent"/),
    ]);
    expect((await whileSuspended(() => ready('/readyz/gates')))[0]).toBe(503);
    const during = await whileSuspended(() => metricsOf(proxy));
    expect(during.get('tallylight_workers{state="serving"}')).toBe(3);
  });
});

describe('on SIGHUP', () => {
  const routes = (...names: readonly string[]): string =>
    JSON.stringify(names.map((name) => ({ path: `/${name}/{callId}/*`, upstream: testBed.peers.sink.url })));
  let file: string;
  let policies: string;

  const startWith = async (more: Readonly<Record<string, string>> = {}): Promise<void> => {
    file = join(testBed.home, 'settings.yaml');
    policies = await mkdtemp(join(testBed.home, 'policies-'));
    await writeFile(file, `TALLYLIGHT_MEDIA_ROUTES: ${routes('media')}\n`);
    await start({
      ...{ TALLYLIGHT_CONFIG: file, TALLYLIGHT_POLICY_DIR: policies },
      ...{ TALLYLIGHT_MEDIA_ROUTES: undefined, ...more },
    });
  };
  const outcomes = async (outcome: 'ok' | 'failed'): Promise<number> =>
    (await metricsOf(proxy)).get(`tallylight_policy_reloads_total{outcome="${outcome}"}`) ?? 0;

  test('all are replaced under load, by ones with the new settings and policies, without one request refused', async () => {
    // Longer than a busy machine keeps a heartbeat waiting.
    await startWith({ TALLYLIGHT_SESSION_TTL_MS: '5000' });
    const bot = await recordingBot();
    const token = await testBed.peers.mint.mint();
    const path = `/media/${bot.call}/load`;
    const to = { url: proxy.url, path, token };
    const loads = [
      putUnderLoad({ ...to, clients: 6, keepAlive: true, pauseMs: 0 }),
      putUnderLoad({ ...to, clients: 3, keepAlive: true, pauseMs: 400 }),
      putUnderLoad({ ...to, clients: 4, keepAlive: false, pauseMs: 5 }),
    ];
    const long = bot.slowUpload('long');
    long.send(640);
    await eventually(() =>
      writesOf(bot.call).some(({ path: at, bytes }) => at.includes('long') && bytes > 0),
    );
    const before = await workersOf(proxy);
    await writeFile(file, `TALLYLIGHT_MEDIA_ROUTES: ${routes('media', 'more')}\n`);
    await writeFile(
      join(policies, 'new.json'),
      '{ "name": "new", "match": {}, "updateMetadata": "forward" }',
    );
    expect((await bot.post('updateMetadata', { metadata: 'x' })).headers['tallylight-reason']).toBe(
      'PolicyRefused',
    );
    proxy.kill('SIGHUP');
    await eventually(async () => (await outcomes('ok')) === 1, { what: 'the end of the replacement' });
    // The one that carries the long upload waits for it.
    await eventually(() => said('a worker has exited').length === 2, { what: 'two workers having left' });
    long.send(640);
    long.end();
    expect((await long.over)?.status).toBe(201);
    await eventually(() => said('a worker has exited').length === 3, { what: 'three workers having left' });
    await Promise.all(loads.map((load) => load.end()));
    for (const { met } of loads) expect([...met.keys()]).toEqual(['201']);
    expect((await workersOf(proxy)).filter((pid) => before.includes(pid))).toEqual([]);
    for (let n = 0; n < 3; n += 1) {
      expect(
        (await bot.post('updateMetadata', { metadata: 'x' })).headers['tallylight-reason'],
      ).toBeUndefined();
      expect((await send(proxy.url, { method: 'POST', path: `/more/${bot.call}/x` })).status).toBe(401);
    }
    const count = [...loads].reduce((sum, { met }) => sum + (met.get('201') ?? 0), 0);
    const admitted = 'tallylight_gate_decisions_total{surface="media",reason="admitted"}';
    expect((await metricsOf(proxy)).get(admitted)).toBe(count + 1);
    await bot.report('notRecording');
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    const report = await verifyEvidence(testBed.home);
    expect(report.misfit).toBeNull();
    expect(report.intervals).toBe(1);
  });

  test('a worker that leaves still hears of a stop, before Graph does', async () => {
    await startWith();
    const bot = await recordingBot();
    const long = bot.slowUpload('long');
    long.send(640);
    const write = await eventually(() => writesOf(bot.call).find(({ bytes }) => bytes > 0));
    proxy.kill('SIGHUP');
    await eventually(async () => (await outcomes('ok')) === 1, { what: 'the end of the replacement' });
    await eventually(() => said('a worker has exited').length === 2, { what: 'two workers having left' });
    expect((await metricsOf(proxy)).get('tallylight_workers{state="leaving"}')).toBe(1);
    long.send(640);
    await eventually(() => write.bytes === 1280);
    expect((await bot.report('notRecording')).status).toBe(200);
    await long.over;
    await eventually(() => write.endedAt !== null);
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(stopOf(bot.call));
    await eventually(() => said('a worker has exited').length === 3, { what: 'three workers having left' });
  });

  test('what a worker had begun is cut when its time to leave is over', async () => {
    await startWith({ TALLYLIGHT_WORKER_LEAVE_MS: '200' });
    const bot = await recordingBot();
    const long = bot.slowUpload('long');
    long.send(640);
    const write = await eventually(() => writesOf(bot.call).find(({ bytes }) => bytes > 0));
    proxy.kill('SIGHUP');
    await long.over;
    await eventually(() => write.endedAt !== null);
    expect(write.complete).toBe(false);
    await eventually(() => said('a worker has exited').length === 3, { what: 'three workers having left' });
    expect((await bot.upload('new', 640)).status).toBe(201);
  });

  test.each([
    ['a setting that is wrong', 'TALLYLIGHT_DRAIN_MSS: 5', 'TALLYLIGHT_DRAIN_MSS'],
    ['another store', 'TALLYLIGHT_SESSION_TTL_MS: 900', 'TALLYLIGHT_SESSION_TTL_MS cannot be changed'],
    ['a key that is none', 'TALLYLIGHT_TLS_CERT_FILE: /dev/null', 'TALLYLIGHT_TLS_CERT_FILE'],
  ])('nothing is replaced for %s', async (_what, line, told) => {
    file = join(testBed.home, 'settings.yaml');
    await writeFile(file, 'TALLYLIGHT_SESSION_TTL_MS: 1500\n');
    proxy = await testBed.start({ TALLYLIGHT_CONFIG: file, TALLYLIGHT_SESSION_TTL_MS: undefined });
    const before = await workersOf(proxy);
    await writeFile(
      file,
      line.startsWith('TALLYLIGHT_SESSION') ? line : `TALLYLIGHT_SESSION_TTL_MS: 1500\n${line}\n`,
    );
    proxy.kill('SIGHUP');
    await eventually(async () => (await outcomes('failed')) === 1);
    expect(said('no worker is replaced').map(({ error }) => error)).toEqual([expect.stringContaining(told)]);
    expect(await workersOf(proxy)).toEqual(before);
    // One that dies now is replaced by what was in force.
    process.kill(before[0]!, 'SIGKILL');
    await eventually(async () => (await serving()) === 3);
  });

  test('nothing is replaced for policies that are wrong', async () => {
    await startWith();
    const before = await workersOf(proxy);
    await writeFile(join(policies, 'bad.json'), '{ "name": "bad", "nonsense": true }');
    proxy.kill('SIGHUP');
    await eventually(async () => (await outcomes('failed')) === 1);
    expect(said('no worker is replaced').map(({ error }) => error)).toEqual([
      expect.stringContaining('bad.json:1'),
    ]);
    process.kill(before[0]!, 'SIGKILL');
    await eventually(async () => (await serving()) === 3);
    expect((await workersOf(proxy)).filter((pid) => before.includes(pid))).toHaveLength(2);
  });
});

describe('more than one worker does not start', () => {
  test.each([
    [
      'without a store that they share',
      3,
      { TALLYLIGHT_REDIS_URL: undefined },
      'TALLYLIGHT_REDIS_URL is missing',
    ],
    [
      'in a number that is none',
      3,
      { TALLYLIGHT_WORKERS: 'many' },
      'TALLYLIGHT_WORKERS must be "auto" or a whole',
    ],
    [
      'with a policy directory that is none',
      3,
      { TALLYLIGHT_POLICY_DIR: '/nowhere' },
      'TALLYLIGHT_POLICY_DIR',
    ],
    [
      'with evidence that cannot be written',
      4,
      { TALLYLIGHT_EVIDENCE_DIR: '/dev/null/evidence' },
      'TALLYLIGHT_EVIDENCE_DIR: the evidence directory /dev/null/evidence',
    ],
  ])('%s', async (_what, exit, change, told) => {
    const env = Object.entries({ ...testBed.settings(), ...change }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const { code, output } = await failedStart(Object.fromEntries(env));
    expect(code).toBe(exit);
    expect(output).toContain(told);
    expect(output).not.toContain('listening');
  });
});
