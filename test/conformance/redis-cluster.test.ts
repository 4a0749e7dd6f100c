import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import { redisStore } from '../../src/store/redis/client.ts';
import { startCluster, type TestCluster } from '../support/redis.ts';
import { describeStore } from './store-suite.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

// A cluster also refuses scripts that touch keys they did not declare in a slot of another node.
describeStore('a Redis Cluster of three nodes', async () => {
  const prefix = randomUUID();
  const [store, peer] = [redisStore(cluster.url, { prefix }), redisStore(cluster.url, { prefix })];
  await Promise.all([store.ready(), peer.ready()]);
  return {
    store,
    peer,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  };
});
