import { expect, test } from '@jest/globals';
import { memoryStore } from '../../src/store/memory.ts';
import { counting } from '../support/counting-store.ts';
import { startWorld } from '../support/world.ts';

test('a thousand writes of a call cost the store one acquire, and heartbeats', async () => {
  const store = counting(memoryStore({ bornAt: 0 }));
  const world = await startWorld({ openStore: () => store });
  const bot = await world.bot();
  await bot.report('recording');
  store.counts.clear();
  for (let round = 0; round < 50; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => bot.upload('frame', 640)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201));
  }
  store.counts.delete('heartbeat');
  expect(Object.fromEntries(store.counts)).toEqual({ acquire: 1 });
  await world.close();
});
