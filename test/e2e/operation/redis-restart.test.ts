import { afterEach, expect, test } from '@jest/globals';
import { redisStore } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { startWorld, type World } from '../../support/world.ts';

let redis: TestRedis;
let world: World;
afterEach(async () => {
  await world.close();
  await redis.stop();
});

/** With a Graph timeout that makes the waiting period of rule R2 impossible to miss. */
async function start(appendOnly: boolean): Promise<void> {
  redis = await startRedis({ appendOnly, settings: ['--appendfsync', 'always'] });
  world = await startWorld({
    openStore: () => redisStore(redis.url),
    settings: { graphTimeoutMs: 1000, sessionTtlMs: 600 },
  });
}

const reportOf = async (status: string): Promise<{ bot: Awaited<ReturnType<World['bot']>> }> => {
  const bot = await world.bot();
  await eventually(async () => (await bot.report(status)).status === 200, { withinMs: 20_000 });
  return { bot };
};

test('a Redis that kept its data needs no waiting period after a restart', async () => {
  await start(true);
  const { bot } = await reportOf('recording');
  await redis.restart({ keepData: true });
  await eventually(async () => (await bot.upload('again', 640)).status === 201);
  const stopped = await eventually(async () => {
    const answer = await bot.report('notRecording');
    return answer.headers['tallylight-reason'] === 'StoreUnavailable' ? undefined : answer;
  });
  expect(stopped.status).toBe(200);
  expect((await world.closeAndVerify()).misfit).toBeNull();
});

test('a Redis that lost its data closes every gate, and holds status changes back for a while', async () => {
  await start(false);
  const { bot } = await reportOf('recording');
  const upload = bot.slowUpload('long');
  upload.send(640);
  await redis.restart({ keepData: false });
  await upload.over;
  const other = await world.bot();
  const held = await eventually(async () => {
    const answer = await other.report('recording');
    return answer.headers['tallylight-reason'] === 'StoreUnavailable' ? undefined : answer;
  });
  expect(held.headers['tallylight-reason']).toBe('StoreFresh');
  expect(Number(held.headers['retry-after'])).toBeGreaterThan(0);
  expect(world.graph.log.some(({ call, asked }) => call === other.call && asked !== null)).toBe(false);
  await eventually(async () => (await bot.upload('late', 640)).status === 403);
  await eventually(async () => (await other.report('recording')).status === 200, { withinMs: 20_000 });
});
