import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { heardBy } from '../../conformance/announcement-laws.ts';
import { newCall } from '../../conformance/store-fixtures.ts';
import { redisStore, type RedisStore } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { startCluster, startRedis, type TestRedis } from '../../support/redis.ts';
import { silentLog } from '../../support/world.ts';

interface Servers {
  readonly url: string;
  readonly nodes: readonly Pick<TestRedis, 'cli'>[];
  stop(): Promise<unknown>;
}

const places: readonly (readonly [string, () => Promise<Servers>])[] = [
  [
    'one Redis',
    async () => {
      const redis = await startRedis();
      return { url: redis.url, nodes: [redis], stop: () => redis.stop() };
    },
  ],
  ['a Cluster', () => startCluster()],
];

describe.each(places)('stops that are announced by way of %s', (_, start) => {
  let servers: Servers;
  const stores: RedisStore[] = [];
  const warnings: string[] = [];
  beforeAll(async () => {
    servers = await start();
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    warnings.splice(0);
  });
  afterAll(() => servers.stop());

  async function open(): Promise<RedisStore> {
    const log = { ...silentLog, warn: (_facts: unknown, text: string) => void warnings.push(text) };
    const store = redisStore(servers.url, { log });
    stores.push(store);
    await store.ready();
    return store;
  }

  test('are heard again after the connection was lost', async () => {
    const [store, peer] = [await open(), await open()];
    const heard = await heardBy(peer);
    const before = { call: newCall(), epoch: 1, from: 'instance-1' };
    await store.sessions.announceStop(before);
    await eventually(() => heard.length === 1);

    const killed = await Promise.all(servers.nodes.map(({ cli }) => cli('client', 'kill', 'type', 'pubsub')));
    expect(killed.some((count) => Number(count) > 0)).toBe(true);
    const after = { call: newCall(), epoch: 2, from: 'instance-1' };
    // What is published while nobody listens is lost, and that is no loss of safety.
    await eventually(async () => {
      await store.sessions.announceStop(after);
      return heard.some(({ epoch }) => epoch === 2);
    });
    expect(heard.filter(({ epoch }) => epoch === 1)).toEqual([before]);
    expect(heard.find(({ epoch }) => epoch === 2)).toEqual(after);
  });

  test('are told from whatever else comes by that channel, which is ignored and told once', async () => {
    const [store, peer] = [await open(), await open()];
    const heard = await heardBy(peer);
    const call = newCall();
    const others = ['', 'x', '1', `x instance-1 ${call}`, '1 instance-1 call', `-1 instance-1 ${call}`];
    const publish = (message: string) => servers.nodes[0]!.cli('publish', 'tallylight:stops', message);
    for (const message of [
      ...others,
      `1  ${call}`,
      `1 ${'x'.repeat(200)} ${call}`,
      `9999999999999999 i ${call}`,
    ])
      await publish(message);
    const stop = { call, epoch: 1, from: 'instance-1' };
    await store.sessions.announceStop(stop);
    await eventually(() => heard.length > 0);
    expect(heard).toEqual([stop]);
    expect(warnings.filter((text) => text.includes('channel for announced stops'))).toHaveLength(1);
  });
});
