import { expect, test } from '@jest/globals';
import { redisStore } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { silentLog, startWorld } from '../../support/world.ts';

test('who can write to the store can open a gate, which the evidence then shows', async () => {
  const redis = await startRedis({ appendOnly: true });
  const world = await startWorld({
    openStore: () => redisStore(redis.url, { log: silentLog }),
    settings: { graphTimeoutMs: 300, sessionTtlMs: 500 },
  });
  try {
    const bot = await world.bot();
    await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
    const [key = ''] = (await redis.cli('keys', '*:call:*')).split('\n');
    const fields = withLaterEpoch((await redis.cli('hgetall', key)).split('\n'));
    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await bot.upload('after', 640)).status).toBe(403);

    await redis.cli('hset', key, ...fields);
    await eventually(async () => (await bot.upload('forged', 640)).status === 201);
    expect(world.graph.recordingState(bot.call)).toBe('notRecording');
    await eventually(async () => (await bot.report('notRecording')).status === 200);
    expect((await world.closeAndVerify()).misfit).not.toBeNull();
  } finally {
    await world.close();
    await redis.stop();
  }
});

/** A call as it is stored, in an epoch that was never stopped. */
function withLaterEpoch(fields: readonly string[]): string[] {
  const value = fields.indexOf('value') + 1;
  const state = JSON.parse(fields[value] ?? '') as { readonly epoch: number };
  const epoch = state.epoch + 60_000;
  return fields.map((field, index) => {
    if (index === value) return JSON.stringify({ ...state, epoch });
    return field === String(state.epoch) ? String(epoch) : field;
  });
}
