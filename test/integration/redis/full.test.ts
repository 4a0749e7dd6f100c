import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../src/core/call/key.ts';
import type { EventName, StateName } from '../../../src/core/call/state.ts';
import { type HoldAct, noHolds, withAct } from '../../../src/core/call/hold.ts';
import { redisStore, type RedisStore } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { commitOn, minute, newCall, recordingCall, tally } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { patient, startCluster, startRedis, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

let redis: TestRedis;
let store: RedisStore;
let call: CallKey;
let epoch: number;
beforeEach(async () => {
  redis = await startRedis();
  cleanUp.push(() => redis.stop());
  store = redisStore(redis.url, { durability: 'ignore', ...patient });
  cleanUp.push(() => store.close());
  await store.ready();
  await store.sessions.join('session-1', lasting(minute));
  const { life } = await store.holds.read(null, null);
  await store.holds.commit({ expected: 0, life, registry: noHolds, line: null, operation: 'known' });
  ({ call, epoch } = await recordingCall(store));
  await store.calls.acquire(call, 'session-1');
});

const faultOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Whether a change with this event is taken. */
async function change(of: CallKey, event: EventName, state: StateName, last = {}): Promise<boolean> {
  const commit = commitOn(await store.calls.read(of), of, state, last);
  return store.calls.commit({ ...commit, record: { ...commit.record, event } });
}

const opening = (): readonly (readonly [string, () => Promise<unknown>])[] => [
  ['heartbeat', () => store.sessions.heartbeat('session-1', [])],
  ['acquire', () => store.calls.acquire(call, 'session-1')],
  ['start', () => change(newCall(), 'startRequested', 'starting')],
  ['confirmed', () => change(call, 'startConfirmed', 'recording')],
];

/** A stop from its first step to the last, with its evidence. */
async function stop(): Promise<void> {
  expect(await change(call, 'stopRequested', 'stopping')).toBe(true);
  expect(await store.sessions.revoke('session-1', { call, epoch })).toEqual(expect.any(Number));
  await store.calls.leave(call, { session: 'session-1', epoch }, tally());
  expect((await store.calls.read(call)).holders).toEqual([]);
  expect(await change(call, 'drained', 'unconfirmed', { dropTallies: true })).toBe(true);
  expect(await change(call, 'stopConfirmed', 'idle', { retentionMs: 0 })).toBe(true);
}

describe('a Redis that has reached the limit of its memory', () => {
  beforeEach(async () => {
    await redis.cli('config', 'set', 'maxmemory', '1');
  });

  test('opens nothing, and extends no session', async () => {
    for (const [name, run] of opening())
      expect([name, String(await faultOf(run()))]).toEqual([name, expect.stringContaining('OOM')]);
    expect((await store.calls.read(call)).state?.state).toBe('recording');
    expect(await store.sessions.join('session-2', lasting(minute))).toMatchObject({ why: 'full' });
  });

  test('takes a stop with its evidence, and lets that be written', async () => {
    await stop();
    const before = await store.outbox.depth();
    expect(before).toBe(5);
    expect(await store.outbox.claimSink('sink')).toBe('sink');
    expect(await store.outbox.lease('writer', minute)).toBe(true);
    const entries = await store.outbox.pending(10);
    await store.outbox.remove(entries);
    expect(await store.outbox.depth()).toBe(0);
    await store.outbox.release('writer');
    await eventually(async () => (await store.calls.sweep(10)) === 1);
    expect(await store.calls.idle(0, 10)).toEqual([]);
  });

  test('takes a hold with its line, and refuses its release', async () => {
    const change = async (act: 'set' | 'released'): Promise<string | undefined> => {
      const { registry, life } = await store.holds.read('session-1', { life: 'life', number: 1 });
      const made: HoldAct = {
        ...{ act, id: 'hold-1', number: registry.number + 1, scope: { all: true }, reason: 'legal' },
        ...{ by: { issuer: 'local', subject: 'local' }, at: '2026-01-31T12:00:00.000Z' },
        closedUpTo: act === 'set' ? null : 1,
      };
      return store.holds.commit({
        ...{ expected: registry.number, life, registry: withAct(registry, made), operation: act },
        line: { ...made, version: 1, instance: 'session-1' },
      });
    };
    const entry = await change('set');
    expect(await store.holds.isWaiting(entry ?? '')).toBe(true);
    expect((await store.holds.read(null, null)).registry.standing).toMatchObject([{ id: 'hold-1' }]);
    expect(String(await faultOf(store.holds.newestTime()))).toContain('OOM');
    expect(String(await faultOf(change('released')))).toContain('OOM');
    expect((await store.holds.read(null, null)).registry.standing).toHaveLength(1);
  });

  test('goes on as if nothing had been, once there is room', async () => {
    expect(await faultOf(store.sessions.heartbeat('session-1', []))).toBeFault('StoreUnavailable');
    await redis.cli('config', 'set', 'maxmemory', '0');
    expect(await store.sessions.heartbeat('session-1', [])).toEqual([]);
    expect(await store.calls.acquire(call, 'session-1')).toMatchObject({ state: 'recording' });
  });
});

describe.each([
  ['READONLY', () => redis.cli('replicaof', '127.0.0.1', '1')],
  ['NOREPLICAS', () => redis.cli('config', 'set', 'min-replicas-to-write', '1')],
  [
    'MISCONF',
    async () => {
      // A directory where the file should be: the snapshot fails.
      const [, directory = ''] = (await redis.cli('config', 'get', 'dir')).split('\n');
      const place = join(directory, 'dump.rdb');
      await rm(place, { force: true });
      await mkdir(join(place, 'in the way'), { recursive: true });
      await redis.cli('config', 'set', 'save', '3600 1');
      await redis.cli('bgsave');
      await eventually(async () =>
        (await redis.cli('info', 'persistence')).includes('rdb_last_bgsave_status:err'),
      );
    },
  ],
] as const)('a Redis that takes no writes (%s)', (word, happens) => {
  test('takes neither what opens nor what closes, and keeps all as it was', async () => {
    const before = await redis.cli('hgetall', keysWith('tallylight').call(call).call);
    await happens();
    for (const [name, run] of opening()) expect([name, await faultOf(run())]).not.toEqual([name, undefined]);
    expect(await faultOf(stop())).toBeDefined();
    expect(await redis.cli('hgetall', keysWith('tallylight').call(call).call)).toBe(before);
    expect(await redis.cli('xlen', keysWith('tallylight').call(call).outbox)).not.toBe('0');
    // It is the server that says so, and nobody else.
    const said = await redis.cli('eval', '#!lua\nreturn 1', '0').catch((error: unknown) => String(error));
    expect(said).toContain(word);
  });
});

test('in a cluster, a session that holds a call on a full node is not extended', async () => {
  const cluster = await startCluster();
  cleanUp.push(() => cluster.stop());
  const clustered = redisStore(cluster.url, { durability: 'ignore', ...patient });
  cleanUp.push(() => clustered.close());
  await clustered.ready();
  const held = await recordingCall(clustered);
  const keys = keysWith('tallylight');
  const slotOwner = async (name: string): Promise<TestRedis> => {
    const found = await Promise.all(
      cluster.nodes.map(async (node) => !(await node.cli('exists', name)).includes('MOVED')),
    );
    return cluster.nodes[found.indexOf(true)]!;
  };
  const owner = await slotOwner(keys.call(held.call).call);
  const session = await eventually(async () => {
    const id = `session-${Math.random()}`;
    return (await slotOwner(keys.session(id).session)) === owner ? undefined : id;
  });
  await clustered.sessions.join(session, lasting(minute));
  await owner.cli('config', 'set', 'maxmemory', '1');
  // It holds nothing there yet.
  expect(await clustered.sessions.heartbeat(session, [])).toEqual([]);
  await owner.cli('config', 'set', 'maxmemory', '0');
  await clustered.calls.acquire(held.call, session);
  expect(await clustered.sessions.heartbeat(session, [])).toEqual([]);
  await owner.cli('config', 'set', 'maxmemory', '1');
  expect(await faultOf(clustered.sessions.heartbeat(session, []))).toBeFault('StoreUnavailable');
});
