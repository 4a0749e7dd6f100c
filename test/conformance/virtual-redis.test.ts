import { expect, test } from '@jest/globals';
import { keysWith } from '../../src/store/redis/keys.ts';
import { storeOver } from '../../src/store/redis/store.ts';
import { directConnection } from '../support/virtual-redis/connection.ts';
import { virtualRedis, virtualStore } from '../support/virtual-redis/store.ts';
import { move, newCall } from './store-fixtures.ts';
import { describeStore } from './store-suite.ts';

// What holds here and on a real server alike is what the simulation may rely on.
describeStore('a virtual Redis', () => {
  const server = virtualRedis();
  const [store, peer] = [virtualStore(server), virtualStore(server)];
  return Promise.resolve({
    store,
    peer,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  });
});

test('a store on Redis looks for the evidence of others every two seconds of the time it is given', async () => {
  const server = virtualRedis();
  let now = 0;
  const store = storeOver(directConnection(server), keysWith('tallylight', 8), {
    now: () => now,
    sleep: () => Promise.resolve(),
  });
  expect(await store.outbox.pending(10)).toEqual([]);
  await move(virtualStore(server), newCall(), 'starting');
  now += 2000;
  expect(await store.outbox.pending(10)).toEqual([]);
  now += 1;
  expect(await store.outbox.pending(10)).toHaveLength(1);
});
