import { afterEach, expect, test } from '@jest/globals';
import { redisStore } from '../../src/store/redis/client.ts';
import { keysWith } from '../../src/store/redis/keys.ts';
import { minute, move, newCall } from '../conformance/store-fixtures.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, startSentinel } from '../support/redis.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** A sentinel looks at its servers every ten seconds. */
const patience = { withinMs: 60_000 };

test('with Sentinel the store follows the master to its replica, and every session ends', async () => {
  const first = await startRedis();
  cleanUp.push(() => first.stop());
  const second = await startRedis({ settings: ['--replicaof', '127.0.0.1', String(first.port)] });
  cleanUp.push(() => second.stop());
  await eventually(async () => (await second.cli('info', 'replication')).includes('master_link_status:up'));
  const sentinel = await startSentinel(first);
  cleanUp.push(() => sentinel.stop());

  const store = redisStore(sentinel.url);
  cleanUp.push(() => store.close());
  await store.ready();
  await store.sessions.join('session-1', minute);
  const call = newCall();
  await move(store, call, 'starting');
  const before = await store.calls.read(call);
  const stored = (): Promise<string> => second.cli('hget', keysWith('tallylight').call(call).call, 'state');
  await eventually(async () => (await stored()) === 'starting');

  // The sentinel must have seen the replica before it can promote it.
  await eventually(async () => (await sentinel.cli('sentinel', 'failover', 'primary')) === 'OK', patience);
  await eventually(async () => (await second.cli('role')).startsWith('master'), patience);
  await eventually(async () => {
    await move(store, call, 'recording').catch(() => undefined);
    return (await stored()) === 'recording';
  }, patience);
  const after = await store.calls.read(call);
  expect(after.bornAt).toBe(before.bornAt);
  expect(after.state?.state).toBe('recording');
  expect(await store.sessions.heartbeat('session-1', minute, [])).toBe('lost');
}, 120_000);
