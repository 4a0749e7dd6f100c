import { afterEach, expect, test } from '@jest/globals';
import { redisStore } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { minute, move, newCall } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { RedisGates, waitIsOver } from '../../support/redis-gates.ts';
import { replicaOf, startRedis, startSentinel, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** A sentinel looks at its servers every ten seconds. */

const stateOn = (redis: TestRedis, call: ReturnType<typeof newCall>): Promise<string> =>
  redis.cli('hget', keysWith('tallylight').call(call).call, 'state');

async function start(): Promise<{ first: TestRedis; second: TestRedis; sentinel: Sentinel }> {
  const first = await startRedis();
  cleanUp.push(() => first.stop());
  const second = await startRedis(replicaOf(first));
  cleanUp.push(() => second.stop());
  await eventually(async () => (await first.cli('info', 'replication')).includes('state=online'));
  const sentinel = await startSentinel(first);
  cleanUp.push(() => sentinel.stop());
  return { first, second, sentinel };
}
type Sentinel = Awaited<ReturnType<typeof startSentinel>>;

test('with Sentinel the store follows the master to its replica, and every session ends', async () => {
  const { second, sentinel } = await start();
  const store = redisStore(sentinel.url);
  cleanUp.push(() => store.close());
  await store.ready();
  await store.sessions.join('session-1', lasting(minute));
  const call = newCall();
  await move(store, call, 'starting');
  const before = await store.calls.read(call);
  await eventually(async () => (await stateOn(second, call)) === 'starting');

  // The sentinel must have seen the replica before it can promote it.
  await eventually(async () => (await sentinel.cli('sentinel', 'failover', 'primary')) === 'OK');
  await eventually(async () => (await second.cli('role')).startsWith('master'));
  await eventually(async () => {
    await move(store, call, 'recording').catch(() => undefined);
    return (await stateOn(second, call)) === 'recording';
  });
  const after = await store.calls.read(call);
  // The replica may lack the last changes, so for rule R2 it has just begun.
  expect(after.life).not.toBe(before.life);
  expect(after.livedMs).toBeLessThan(Infinity);
  expect(after.state?.state).toBe('recording');
  expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
});

test('a master killed during a stop: Sentinel promotes the replica, and the call is closed until it starts anew', async () => {
  const { first, second, sentinel } = await start();
  const gates = new RedisGates({ drainMs: 5000 });
  cleanUp.push(() => gates.close());
  const [one, other] = [await openGate(gates, sentinel), await openGate(gates, sentinel)];
  await waitIsOver(first);
  const call = newCall();
  await gates.recording(one, call);
  const write = await eventually(() => gates.write(other, call));
  await eventually(async () =>
    (await sentinel.cli('sentinel', 'replicas', 'primary')).includes(String(second.port)),
  );

  // The write of the other instance keeps the stop waiting when the master dies.
  const stopping = gates.stop(one, call);
  await eventually(async () => (await stateOn(first, call)) === 'stopping');
  await first.kill('SIGKILL');
  expect(await stopping).toBe('StoreUnavailable');
  expect(gates.sent).toEqual(['recording']);
  await eventually(() => !write.mayContinue());

  await eventually(async () => (await second.cli('role')).startsWith('master'));
  await Promise.all([gates.ready(one), gates.ready(other)]);
  for (const gate of [one, other]) expect(await gates.write(gate, call)).toBeUndefined();
  expect(await gates.settled(() => gates.start(one, call))).toBe('StoreFresh');
  await waitIsOver(second);
  expect(await gates.settled(() => gates.stop(other, call))).toBe('stopped');
  await gates.recording(one, call);
  await eventually(() => gates.write(other, call));
  // Whoever heard the stop repeats it, and another may have asked meanwhile.
  expect(gates.sent.join(' ')).toMatch(/^recording( notRecording)+ recording$/);
  expect(gates.violations).toEqual([]);
});

async function openGate(gates: RedisGates, { url }: Sentinel) {
  const store = redisStore(url);
  await store.ready();
  const gate = await gates.open(store);
  await gates.ready(gate);
  return gate;
}
