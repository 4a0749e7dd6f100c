import { virtualRedis, virtualStore } from '../support/virtual-redis/store.ts';
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
