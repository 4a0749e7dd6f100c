import { expect, test } from '@jest/globals';
import { formatNumber, keysWith } from '../../../../src/store/redis/keys.ts';
import { storeOver } from '../../../../src/store/redis/store.ts';
import { directConnection } from '../../../support/virtual-redis/connection.ts';
import { virtualRedis } from '../../../support/virtual-redis/store.ts';

test('what may have been missed while all shards were searched has them searched again', async () => {
  const server = virtualRedis();
  // As if somebody had joined.
  server.command('set', keysWith('tallylight').layout, String(formatNumber));
  const direct = directConnection(server);
  let lose: () => void = () => undefined;
  let searches = 0;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { outbox } = storeOver(
    {
      ...direct,
      onLoss: (listener) => (lose = listener),
      command: async (name, ...args) => {
        const reply = await direct.command(name, ...args);
        if (name === 'xread' && ++searches === 1) await held;
        return reply;
      },
    },
    keysWith('tallylight'),
    { now: () => 0, sleep: () => new Promise(() => undefined) },
  );
  expect(await outbox.lease('one', 1000)).toBe(true);
  await new Promise(setImmediate);
  const pending = outbox.pending(10);
  await new Promise(setImmediate);
  lose();
  release();
  await pending;
  await outbox.pending(10);
  expect(searches).toBe(2);
  await outbox.pending(10);
  expect(searches).toBe(2);
});
