import { expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { processHouse } from '../../support/process-house.ts';
import type { ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { patient } from '../../support/redis.ts';
import { redisStore } from '../../../src/store/redis/client.ts';
import { minute, recordingCall } from '../../conformance/store-fixtures.ts';
import { lasting } from '../../support/session-times.ts';

const format = 'tallylight:{drain}:format';
const members = 'tallylight:{drain}:members';

const house = processHouse('not-joining');
let proxy: ProxyProcess;

async function start(): Promise<string> {
  proxy = await house.start();
  return eventually(async () => {
    const { status, body } = await send(proxy.adminUrl, { path: '/readyz/gates' });
    expect(status).toBe(503);
    return body.includes('SessionMissing') && !body.includes('has no session') ? body : undefined;
  });
}

const isFull = (yes: boolean): Promise<string> =>
  house.redis.cli('config', 'set', 'maxmemory', yes ? '100kb' : '0');

const keys = async (): Promise<string[]> =>
  (await house.redis.cli('keys', '*')).trim().split('\n').toSorted();

test.each([
  ['5', /format 5, but this build supports only format 4/],
  ['2', /format 2, of an earlier build/],
  [
    'two',
    /the key tallylight:\{drain\}:format holds .*two.*, not the number of a store format.*use another database/,
  ],
])('nothing is written into a store of format %s, whatever an instance is asked', async (found, told) => {
  await house.redis.cli('set', format, found);
  expect(await start()).toMatch(told);
  const bot = await house.newBot(proxy);
  for (const status of ['recording', 'notRecording'] as const)
    expect((await bot.report(status)).status).toBe(503);
  expect((await bot.upload('part', 640)).status).toBeGreaterThanOrEqual(400);
  await bot.post('keepAlive', {});
  await bot.hangUp();
  for (const path of ['/readyz/gates', '/metrics']) await send(proxy.adminUrl, { path });
  expect(await keys()).toEqual([format]);
  expect((await house.redis.cli('get', format)).trim()).toBe(found);
});

test('nothing is written by an instance that others do not allow to join, before it is asked for a stop', async () => {
  await house.redis.cli('set', format, '4');
  await house.redis.cli('hset', members, 'another', '60000 60000 60000 60000');
  expect(await start()).toContain('at session another');
  await send(proxy.adminUrl, { path: '/metrics' });
  expect(await keys()).toEqual([format, members]);
});

test('a store that is full takes nobody in, and the evidence that fills it is written all the same', async () => {
  const before = redisStore(house.redis.url, { durability: 'ignore', ...patient });
  try {
    await before.ready();
    await before.sessions.join('session-1', lasting(minute));
    await recordingCall(before);
    await before.sessions.quit('session-1');
    expect(await before.outbox.depth()).toBeGreaterThan(0);
    await isFull(true);
    proxy = await house.start();
    await eventually(async () => (await before.outbox.depth()) === 0);
    expect((await send(proxy.adminUrl, { path: '/readyz/gates' })).status).toBe(503);
    await isFull(false);
    await eventually(async () => (await send(proxy.adminUrl, { path: '/readyz/gates' })).status === 200);
  } finally {
    await before.close();
  }
});
