import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import { redisStore } from '../../src/store/redis/client.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { describeStore } from './store-suite.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describeStore('one Redis', async () => {
  const prefix = randomUUID();
  const [store, peer] = [redisStore(redis.url, { prefix }), redisStore(redis.url, { prefix })];
  await Promise.all([store.ready(), peer.ready()]);
  return {
    store,
    peer,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  };
});
