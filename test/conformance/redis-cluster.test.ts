import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newCall } from './store-fixtures.ts';
import { redisStore } from '../../src/store/redis/client.ts';
import { keysWith, shardCount, shardOf } from '../../src/store/redis/keys.ts';
import { patient, startCluster, type TestCluster } from '../support/redis.ts';
import { describeStore } from './store-suite.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

// A cluster also refuses scripts that touch keys they did not declare in a slot of another node.
describeStore('a Redis Cluster of three nodes', async () => {
  const prefix = randomUUID();
  const [store, peer] = [
    redisStore(cluster.url, { prefix, ...patient }),
    redisStore(cluster.url, { prefix, ...patient }),
  ];
  await Promise.all([store.ready(), peer.ready()]);
  return {
    store,
    peer,
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
  };
});

test('all keys of a call, of a session, and of the drain share a slot; calls spread over the nodes', async () => {
  const keys = keysWith('tallylight');
  const slotsOf = async (names: readonly string[]): Promise<Set<string>> =>
    new Set(await Promise.all(names.map((name) => cluster.nodes[0]!.cli('cluster', 'keyslot', name))));
  const call = newCall();
  expect((await slotsOf(Object.values(keys.call(call)))).size).toBe(1);
  expect((await slotsOf(Object.values(keys.session('session-1')))).size).toBe(1);
  expect((await slotsOf([keys.lease, keys.sink, keys.members, keys.layout])).size).toBe(1);
  expect(shardOf(call)).toBe(shardOf(call));

  const shards = new Set(Array.from({ length: 4000 }, () => shardOf(newCall())));
  expect([...shards].every((shard) => Number.isInteger(shard) && shard >= 0 && shard < shardCount)).toBe(
    true,
  );
  expect(shards.size).toBeGreaterThan(shardCount / 2);
  const third = 16384 / 3;
  const slots = await slotsOf([...shards].slice(0, 40).map((shard) => keys.shard(shard).shard));
  expect(new Set([...slots].map((slot) => Math.floor(Number(slot) / third)))).toEqual(new Set([0, 1, 2]));
});
