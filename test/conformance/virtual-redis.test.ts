import { setTimeout as sleep } from 'node:timers/promises';
import { keysWith } from '../../src/store/redis/keys.ts';
import { storeOver } from '../../src/store/redis/store.ts';
import { directConnection } from '../support/virtual-redis/connection.ts';
import { VirtualRedis } from '../support/virtual-redis/server.ts';
import { describeStore } from './store-suite.ts';

// The logic of the Redis store on what the simulation takes for Redis: what holds here and on a real server alike is
// what the simulation may rely on.
describeStore('a virtual Redis', () => {
  const server = new VirtualRedis({
    clock: () => Date.now(),
    elapsed: () => performance.now(),
    appendOnly: true,
    memoryMs: 0,
  });
  const time = { now: () => performance.now(), sleep: (ms: number) => sleep(ms, undefined, { ref: false }) };
  const [store, peer] = [0, 1].map(() =>
    storeOver(directConnection(server), keysWith('tallylight'), time),
  ) as [ReturnType<typeof storeOver>, ReturnType<typeof storeOver>];
  return Promise.resolve({
    store,
    peer,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  });
});
