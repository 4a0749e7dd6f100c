import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CallKey } from '../../src/core/call/key.ts';
import { redisStore } from '../../src/store/redis/client.ts';
import { shardOf } from '../../src/store/redis/keys.ts';
import { patient, startRedis, type TestRedis } from '../support/redis.ts';
import { lasting } from '../support/session-times.ts';
import { commitOn, minute, move, newCall } from './store-fixtures.ts';
import { describeStore } from './store-suite.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describeStore('one Redis', async () => {
  const prefix = randomUUID();
  const [store, peer] = [
    redisStore(redis.url, { prefix, ...patient }),
    redisStore(redis.url, { prefix, ...patient }),
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

test('hearing of many calls takes one command per part of the store, and a commit one command', async () => {
  const commands = new Map<string, number>();
  const store = redisStore(redis.url, {
    prefix: randomUUID(),
    ...patient,
    meter: { storeCommand: (name) => void commands.set(name, (commands.get(name) ?? 0) + 1) },
  });
  try {
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    const calls = Array.from({ length: 600 }, newCall);
    const [call] = calls as [CallKey];
    const commit = commitOn(await store.calls.read(call), call, 'starting');
    commands.clear();
    await store.calls.commit(commit);
    expect([...commands]).toEqual([['commit', 1]]);
    commands.clear();
    await store.calls.touch([]);
    expect([...commands]).toEqual([]);
    await store.calls.touch(calls);
    expect([...commands]).toEqual([['touch', new Set(calls.map(shardOf)).size]]);
  } finally {
    await store.close();
  }
});

test('first grants of many calls at once take about one command per part of the store', async () => {
  const commands = new Map<string, number>();
  const store = redisStore(redis.url, {
    prefix: randomUUID(),
    ...patient,
    meter: { storeCommand: (name) => void commands.set(name, (commands.get(name) ?? 0) + 1) },
  });
  try {
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    const calls = Array.from({ length: 5000 }, newCall);
    const told = await Promise.all(calls.map((call) => store.calls.acquire(call, 'session-1')));
    expect(told).toEqual(calls.map(() => ({ state: 'idle' })));
    // Some are sent before there is anything to wait for; some parts have more than one batch.
    expect(commands.get('acquire')).toBeLessThan(2 * new Set(calls.map(shardOf)).size);
  } finally {
    await store.close();
  }
});

test('a call of which something was heard this very millisecond is silent for no time at all', async () => {
  const store = redisStore(redis.url, { prefix: randomUUID(), ...patient });
  try {
    await store.ready();
    await move(store, newCall(), 'starting');
    await store.calls.idle(0, 1);
    // Sent together, the two often run within one millisecond, and always in this order.
    for (let round = 0; round < 40; round += 1) {
      const call = newCall();
      const commit = commitOn(await store.calls.read(call), call, 'starting');
      const [, found] = await Promise.all([store.calls.commit(commit), store.calls.idle(0, 100)]);
      expect(found).toContain(call);
    }
  } finally {
    await store.close();
  }
});
