import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { eventually } from '../../support/eventually.ts';
import { send } from '../../support/raw-http.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { verifyEvidence } from '../../support/world.ts';

const ttlMs = 1500;
const drainMs = 500;
const graphTimeoutMs = 1500;

let directory: string;
let peers: Peers;
let redis: TestRedis;
const running = new Set<ProxyProcess>();

const start = async (): Promise<ProxyProcess> => {
  const proxy = await startProxyProcess({
    ...settingsFor(peers, directory),
    TALLYLIGHT_GRAPH_TIMEOUT_MS: String(graphTimeoutMs),
    TALLYLIGHT_SESSION_TTL_MS: String(ttlMs),
    TALLYLIGHT_DRAIN_MS: String(drainMs),
    TALLYLIGHT_REDIS_URL: redis.url,
  });
  running.add(proxy);
  // It listens at once; gates may open once it has joined the store.
  await eventually(async () => (await send(proxy.adminUrl, { path: '/readyz/gates' })).status === 200);
  return proxy;
};

const end = async (proxy: ProxyProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> => {
  running.delete(proxy);
  proxy.kill(signal);
  return proxy.exited;
};

/** One call, spoken to through two instances. */
const botAt = async (...proxies: readonly ProxyProcess[]): Promise<Bot[]> => {
  const call = peers.graph.incomingCall({ answered: true });
  const token = await peers.mint.mint();
  return proxies.map((proxy) => new Bot(proxy.url, token, call));
};

/** A new store holds status changes back for a while (rule R2). */
const recording = (bot: Bot): Promise<true> =>
  eventually(async () => ((await bot.report('recording')).status === 200 ? true : undefined), {
    what: 'recording',
  });

const writesOf = (call: string): Peers['sink']['received'] =>
  peers.sink.received.filter(({ callId }) => callId === call);
const stopOf = (call: string): Peers['graph']['log'][number] | undefined =>
  peers.graph.log.find((entry) => entry.call === call && entry.asked === 'notRecording');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-instances-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis();
});
afterAll(async () => {
  await Promise.all([...running].map((proxy) => end(proxy, 'SIGKILL')));
  await redis.stop();
  await peers.close();
  await rm(directory, { recursive: true });
});

describe('two instances on one Redis', () => {
  let a: ProxyProcess;
  let b: ProxyProcess;
  beforeAll(async () => {
    [a, b] = await Promise.all([start(), start()]);
  });

  test('media admitted on one is cut before the other forwards the stop', async () => {
    const [atA, atB] = (await botAt(a, b)) as [Bot, Bot];
    await recording(atB);
    const upload = atA.slowUpload('long');
    upload.send(64_000);
    const write = await eventually(() => writesOf(atA.call).find(({ bytes }) => bytes > 0));
    expect((await atB.report('notRecording')).status).toBe(200);
    await upload.over;
    await eventually(() => write.endedAt !== null);
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(stopOf(atA.call)?.receivedAt ?? 0);
    expect((await atA.upload('late', 640)).status).toBe(403);
  });

  test('media admitted on one may finish within the drain limit before the other forwards the stop', async () => {
    const [atA, atB] = (await botAt(a, b)) as [Bot, Bot];
    await recording(atB);
    const upload = atA.slowUpload('short');
    upload.send(640);
    const write = await eventually(() => writesOf(atA.call).find(({ bytes }) => bytes > 0));
    const stopping = atB.report('notRecording');
    await eventually(async () => (await atA.upload('late', 1)).status === 403);
    upload.end();
    expect((await upload.over)?.status).toBe(201);
    expect((await stopping).status).toBe(200);
    expect(write.endedAt).toBeLessThan(stopOf(atA.call)?.receivedAt ?? 0);
  });

  test('one that is killed while it holds a call is waited out', async () => {
    const victim = await start();
    const [atVictim, atB] = (await botAt(victim, b)) as [Bot, Bot];
    await recording(atB);
    const upload = atVictim.slowUpload('long');
    upload.send(640);
    const write = await eventually(() => writesOf(atB.call).find(({ bytes }) => bytes > 0));
    await end(victim, 'SIGKILL');
    await upload.over;
    await eventually(async () => (await atB.report('notRecording')).status === 200);
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(stopOf(atB.call)?.receivedAt ?? 0);
  });

  test('one that is killed in the middle of a stop is taken over', async () => {
    const victim = await start();
    const [atVictim, atB] = (await botAt(victim, b)) as [Bot, Bot];
    await recording(atB);
    peers.graph.script({
      action: 'updateRecordingStatus',
      call: atB.call,
      asked: 'notRecording',
      answer: 'none',
    });
    const lost = atVictim.report('notRecording');
    await eventually(() => stopOf(atB.call));
    await end(victim, 'SIGKILL');
    await lost;
    await eventually(async () => (await atB.report('notRecording')).status === 200);
    expect((await atB.upload('late', 640)).status).toBe(403);
    await recording(atB);
    expect(peers.graph.recordingState(atB.call)).toBe('recording');
    expect((await atB.upload('again', 640)).status).toBe(201);
  });

  test('one that is killed in the middle of a start opens nothing, and another may start', async () => {
    const victim = await start();
    const [atVictim, atB] = (await botAt(victim, b)) as [Bot, Bot];
    await recording(atB);
    await atB.report('notRecording');
    peers.graph.script({
      action: 'updateRecordingStatus',
      call: atB.call,
      asked: 'recording',
      answer: 'none',
      effect: 'now',
    });
    const before = peers.graph.log.length;
    const lost = atVictim.report('recording');
    await eventually(() => peers.graph.log.slice(before).some(({ asked }) => asked === 'recording'));
    await end(victim, 'SIGKILL');
    await lost;
    expect((await atB.upload('unconfirmed', 640)).status).toBe(403);
    await recording(atB);
    expect((await atB.upload('confirmed', 640)).status).toBe(201);
  });

  test('one that sleeps past its deadline lets nothing through when it wakes', async () => {
    const sleeper = await start();
    const [atSleeper, atB] = (await botAt(sleeper, b)) as [Bot, Bot];
    await recording(atB);
    const upload = atSleeper.slowUpload('long');
    upload.send(640);
    const write = await eventually(() => writesOf(atB.call).find(({ bytes }) => bytes > 0));
    sleeper.kill('SIGSTOP');
    await eventually(async () => (await atB.report('notRecording')).status === 200);
    upload.send(64_000);
    sleeper.kill('SIGCONT');
    await upload.over;
    await eventually(() => write.endedAt !== null);
    expect(write.complete).toBe(false);
    expect(write.lastByteAt).toBeLessThan(stopOf(atB.call)?.receivedAt ?? 0);
    expect((await atSleeper.upload('late', 640)).status).toBe(403);
    await end(sleeper, 'SIGTERM');
  });

  test('without the wake-up channel the stop is only slower', async () => {
    // A user who may do everything but publish and subscribe: the server says no to every wake-up.
    const [atA, atB] = (await botAt(a, b)) as [Bot, Bot];
    await recording(atB);
    const upload = atA.slowUpload('long');
    upload.send(640);
    const write = await eventually(() => writesOf(atA.call).find(({ bytes }) => bytes > 0));
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await redis.cli('ACL', 'SETUSER', 'default', '-subscribe');
    try {
      expect((await atB.report('notRecording')).status).toBe(200);
    } finally {
      await redis.cli('ACL', 'SETUSER', 'default', '+subscribe');
    }
    await eventually(() => write.endedAt !== null);
    expect(write.lastByteAt).toBeLessThan(stopOf(atA.call)?.receivedAt ?? 0);
  });

  test('leave in good order on SIGTERM, and their evidence verifies', async () => {
    const [atA] = (await botAt(a)) as [Bot];
    await recording(atA);
    expect((await atA.upload('x', 640)).status).toBe(201);
    expect(await end(a, 'SIGTERM')).toBe(0);
    expect(await end(b, 'SIGTERM')).toBe(0);
    const report = await verifyEvidence(directory);
    expect(report.misfit).toBeNull();
    expect(report.intervals).toBeGreaterThan(4);
  });
});
