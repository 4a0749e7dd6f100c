import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Bot } from '../../src/server/sandbox/bot.ts';
import { startPeers, type Peers } from '../../src/server/sandbox/peers.ts';
import { eventually } from '../support/eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../support/process.ts';
import { send } from '../support/raw-http.ts';
import { patient, startRedis, type TestRedis } from '../support/redis.ts';
import { redisStore } from '../../src/store/redis/client.ts';
import { minute, recordingCall } from '../conformance/store-fixtures.ts';
import { lasting } from '../support/session-times.ts';

const format = 'tallylight:{drain}:format';
const members = 'tallylight:{drain}:members';

let directory: string;
let peers: Peers;
let redis: TestRedis;
let proxy: ProxyProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-not-joining-'));
  peers = await startPeers('127.0.0.1', 0, directory);
});
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  proxy.kill('SIGKILL');
  await proxy.exited;
  await redis.stop();
});
afterAll(async () => {
  await peers.close();
  await rm(directory, { recursive: true });
});

const startProxy = async (): Promise<ProxyProcess> =>
  startProxyProcess({
    ...settingsFor(peers, await mkdtemp(join(directory, 'home-'))),
    TALLYLIGHT_REDIS_URL: redis.url,
  });

async function start(): Promise<string> {
  proxy = await startProxy();
  return eventually(async () => {
    const { status, body } = await send(proxy.adminUrl, { path: '/readyz/gates' });
    expect(status).toBe(503);
    return body.includes('SessionMissing') && !body.includes('has no session') ? body : undefined;
  });
}

const isFull = (yes: boolean): Promise<string> =>
  redis.cli('config', 'set', 'maxmemory', yes ? '100kb' : '0');

const keys = async (): Promise<string[]> => (await redis.cli('keys', '*')).trim().split('\n').toSorted();

test.each([
  ['3', /format 3, and this build knows format 2 only/],
  [
    'two',
    /the key tallylight:\{drain\}:format holds .*two.*, and not the number of a format.*use another database/,
  ],
])('nothing is written into a store of format %s, whatever an instance is asked', async (found, told) => {
  await redis.cli('set', format, found);
  expect(await start()).toMatch(told);
  const bot = new Bot(proxy.url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  for (const status of ['recording', 'notRecording'] as const)
    expect((await bot.report(status)).status).toBe(503);
  expect((await bot.upload('part', 640)).status).toBeGreaterThanOrEqual(400);
  await bot.post('keepAlive', {});
  await bot.hangUp();
  for (const path of ['/readyz/gates', '/metrics']) await send(proxy.adminUrl, { path });
  expect(await keys()).toEqual([format]);
  expect((await redis.cli('get', format)).trim()).toBe(found);
});

test('nothing is written by an instance that others do not allow to join, before it is asked for a stop', async () => {
  await redis.cli('set', format, '2');
  await redis.cli('hset', members, 'another', '60000 60000 60000 60000');
  expect(await start()).toContain('at session another');
  await send(proxy.adminUrl, { path: '/metrics' });
  expect(await keys()).toEqual([format, members]);
});

test('a store that is full takes nobody in, and the evidence that fills it is written all the same', async () => {
  const before = redisStore(redis.url, { durability: 'ignore', ...patient });
  try {
    await before.ready();
    await before.sessions.join('session-1', lasting(minute));
    await recordingCall(before);
    await before.sessions.quit('session-1');
    expect(await before.outbox.depth()).toBeGreaterThan(0);
    await isFull(true);
    proxy = await startProxy();
    await eventually(async () => (await before.outbox.depth()) === 0);
    expect((await send(proxy.adminUrl, { path: '/readyz/gates' })).status).toBe(503);
    await isFull(false);
    await eventually(async () => (await send(proxy.adminUrl, { path: '/readyz/gates' })).status === 200);
  } finally {
    await before.close();
  }
});
