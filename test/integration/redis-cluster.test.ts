import { afterEach, expect, test } from '@jest/globals';
import { redisStore, type RedisStore } from '../../src/store/redis/client.ts';
import { keysWith } from '../../src/store/redis/keys.ts';
import { minute, move, newCall } from '../conformance/store-fixtures.ts';
import { eventually } from '../support/eventually.ts';
import { startCluster, type TestCluster } from '../support/redis.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function openCluster(): Promise<{ cluster: TestCluster; store: RedisStore }> {
  const cluster = await startCluster();
  cleanUp.push(() => cluster.stop());
  const store = redisStore(cluster.url, { commandTimeoutMs: minute });
  cleanUp.push(() => store.close());
  await store.ready();
  return { cluster, store };
}

const succeeds = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => true,
    () => false,
  );

test('a node of a cluster that is gone fails its calls at once, ends the session, and is found again', async () => {
  const { cluster, store } = await openCluster();
  await store.sessions.join('session-1', minute);
  const call = newCall();
  await move(store, call, 'starting');
  // Only the node that holds the key answers without a redirection.
  const holds = await Promise.all(
    cluster.nodes.map(
      async (node) => (await node.cli('exists', keysWith('tallylight').call(call).call)) === '1',
    ),
  );
  const owner = cluster.nodes[holds.indexOf(true)]!;

  await owner.kill('SIGKILL');
  const fault: unknown = await store.calls.read(call).catch((error: unknown) => error);
  expect(fault).toBeFault('StoreUnavailable');
  expect(await store.sessions.heartbeat('session-1', minute, [])).toBe('lost');

  await owner.restart({ keepData: false });
  await eventually(() => succeeds(store.calls.read(call)), { withinMs: 20_000 });
  expect((await store.calls.read(call)).state).toBeNull();
  await eventually(() => succeeds(store.sessions.join('session-2', minute)), { withinMs: 20_000 });
  expect(await store.sessions.heartbeat('session-2', minute, [])).toEqual([]);
});

test('a cluster with one node that may evict keys is refused', async () => {
  const { cluster } = await openCluster();
  await cluster.nodes[2]!.cli('config', 'set', 'maxmemory-policy', 'volatile-lru');
  const store = redisStore(cluster.url);
  cleanUp.push(() => store.close());
  const fault: unknown = await store.ready().catch((error: unknown) => error);
  expect(fault).toBeFault('StoreUnsuitable');
});
