import { afterEach, describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../src/core/call/key.ts';
import type { Gate } from '../../../src/gate/gate.ts';
import { redisStore, type RedisStore, type RedisStoreOptions } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { commitOn, minute, move, newCall, recordingCall } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { RedisGates, waitIsOver } from '../../support/redis-gates.ts';
import { replicaOf, startRedis, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

const keys = keysWith('tallylight');

async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<TestRedis> {
  const redis = await startRedis(options);
  cleanUp.push(() => redis.stop());
  return redis;
}

async function open(url: string, options: RedisStoreOptions = {}): Promise<RedisStore> {
  const store = redisStore(url, options);
  cleanUp.push(() => store.close());
  await store.ready();
  return store;
}

async function pair(...settings: string[]): Promise<{ primary: TestRedis; replica: TestRedis }> {
  const primary = await server({ settings });
  const replica = await server(replicaOf(primary));
  await eventually(async () => (await primary.cli('info', 'replication')).includes('state=online'));
  return { primary, replica };
}

/** An instance on the primary that records a call and has a write open; the replica knows of it. */
async function recordedOn(primary: TestRedis, replica: TestRedis, options: RedisStoreOptions = {}) {
  const gates = new RedisGates();
  cleanUp.push(() => gates.close());
  const gate = await gates.open(await open(primary.url, options));
  await gates.ready(gate);
  await waitIsOver(primary);
  const call = newCall();
  await gates.recording(gate, call);
  const write = await eventually(() => gates.write(gate, call));
  await eventually(async () => (await storedState(replica, call)) === 'recording');
  return { gates, gate, call, write };
}

const storedState = (redis: TestRedis, call: CallKey): Promise<string> =>
  redis.cli('hget', keys.call(call).call, 'state');

/** Another instance, which knows only the server that took over. */
async function follower(gates: RedisGates, replica: TestRedis): Promise<Gate> {
  const gate = await gates.open(await open(replica.url));
  await gates.ready(gate);
  return gate;
}

const faultOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

describe('a replica that took over', () => {
  test('without the last changes opens no gate of before, and lets status changes wait', async () => {
    const { primary, replica } = await pair();
    const { gates, gate, call, write } = await recordedOn(primary, replica);
    await replica.cli('replicaof', 'no', 'one');
    gates.finish(write);
    expect(await gates.settled(() => gates.stop(gate, call))).toBe('stopped');
    await primary.kill('SIGKILL');

    const next = await follower(gates, replica);
    expect(await storedState(replica, call)).toBe('recording');
    expect(await gates.write(next, call)).toBeUndefined();
    expect(await gates.settled(() => gates.start(next, call))).toBe('StoreFresh');
    expect(await gates.settled(() => gates.stop(next, call))).toBe('StoreFresh');
    expect(gates.sent).toEqual(['recording', 'notRecording']);

    await waitIsOver(replica);
    expect(await gates.settled(() => gates.stop(next, call))).toBe('stopped');
    await gates.recording(next, call);
    await eventually(() => gates.write(next, call));
    expect(gates.violations).toEqual([]);
  });

  test('lets status changes wait until the primary of before has certainly stopped', async () => {
    const { primary, replica } = await pair();
    const store = await open(primary.url);
    const { call } = await recordingCall(store);
    await eventually(async () => (await storedState(replica, call)) === 'recording');
    await replica.cli('replicaof', 'no', 'one');
    const promoted = await (await open(replica.url)).calls.read(call);
    expect(promoted.livedMs).toBe(-15_000);
    // A primary that was only restarted has no other beside it.
    await primary.restart({ keepData: false });
    const restarted = await (await open(primary.url)).calls.read(call);
    expect(restarted.livedMs).toBeGreaterThanOrEqual(0);
  });

  test('and gave the place back is not taken for the one that was there before', async () => {
    const { primary, replica } = await pair();
    const store = await open(primary.url);
    await store.sessions.join('session-1', lasting(minute));
    const { call } = await recordingCall(store);
    await eventually(async () => (await storedState(replica, call)) === 'recording');
    await replica.cli('replicaof', 'no', 'one');
    await move(store, call, 'stopping');
    // Nobody has asked the replica for anything meanwhile.
    await primary.cli('replicaof', '127.0.0.1', String(replica.port));
    await eventually(async () => (await primary.cli('info', 'replication')).includes('link_status:up'));
    await primary.cli('replicaof', 'no', 'one');

    const again = await open(primary.url);
    await again.sessions.join('session-2', lasting(minute));
    expect((await again.calls.read(call)).state?.state).toBe('recording');
    expect(await again.calls.acquire(call, 'session-2')).toEqual({ state: 'idle' });
    // The connection may have lasted; the session is in the copy as well, its holders perhaps not.
    expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
  });

  test('and then forgets that it was one, with its last replica, goes on as the one it is', async () => {
    const { primary, replica } = await pair();
    await open(primary.url);
    await replica.cli('replicaof', 'no', 'one');
    await replica.cli('config', 'set', 'repl-backlog-ttl', '1');
    const store = await open(replica.url);
    await store.sessions.join('session-1', lasting(minute));
    const { call } = await recordingCall(store);
    await eventually(async () => /master_replid2:0{40}/.test(await replica.cli('info', 'replication')));
    expect(await store.calls.acquire(call, 'session-1')).toMatchObject({ state: 'recording' });
    expect(await store.sessions.heartbeat('session-1', [])).toEqual([]);
  });
});

describe('a primary that does not know that its replica took over', () => {
  test('with min-replicas-to-write keeps no session alive: its instances cut their writes', async () => {
    const { primary, replica } = await pair('--min-replicas-to-write', '1', '--min-replicas-max-lag', '10');
    const { gates, gate, call, write } = await recordedOn(primary, replica);
    await replica.cli('replicaof', 'no', 'one');
    await eventually(() => !write.mayContinue());
    expect(await gates.write(gate, call)).toBeUndefined();
    expect(await gates.start(gate, call)).toBe('StoreUnavailable');
    expect(await gates.stop(gate, call)).toBe('StoreUnavailable');

    const next = await follower(gates, replica);
    await waitIsOver(replica);
    expect(await gates.settled(() => gates.stop(next, call))).toBe('stopped');
    expect(gates.violations).toEqual([]);
  });

  test('keeps no session alive either where changes wait for the replica', async () => {
    const { primary, replica } = await pair();
    const { gates, gate, call, write } = await recordedOn(primary, replica, { waitReplicas: 1 });
    await replica.cli('replicaof', 'no', 'one');
    await eventually(() => !write.mayContinue());
    expect(await gates.write(gate, call)).toBeUndefined();
    expect(await gates.stop(gate, call)).toBe('StoreUnavailable');
    expect(gates).toMatchObject({ sent: ['recording'], violations: [] });
  });
});

describe('a change that waits for a replica', () => {
  test('has been made only if the replica has it too', async () => {
    const { primary, replica } = await pair();
    const store = await open(primary.url, { waitReplicas: 1, commandTimeoutMs: 4000 });
    const call = newCall();
    await move(store, call, 'starting');
    const before = await store.calls.read(call);
    await replica.kill('SIGSTOP');
    const commit = commitOn(before, call, 'recording');
    expect(await faultOf(store.calls.commit(commit))).toBeFault('StoreUnavailable');
    // It may have been made all the same: then its repetition is recognised.
    await replica.kill('SIGCONT');
    await eventually(async () => (await faultOf(store.calls.commit(commit))) === true);
    expect(await storedState(replica, call)).toBe('recording');
  });

  test('and was acknowledged is there after the replica took over, with its evidence', async () => {
    const { primary, replica } = await pair();
    const store = await open(primary.url, { waitReplicas: 1 });
    const acknowledged: CallKey[] = [];
    const changing = Array.from({ length: 10 }, async () => {
      for (;;) acknowledged.push((await recordingCall(store)).call);
    });
    const over = Promise.allSettled(changing);
    await eventually(() => acknowledged.length > 30);
    await primary.kill('SIGKILL');
    await over;
    await replica.cli('replicaof', 'no', 'one');
    const after = await open(replica.url);
    for (const call of acknowledged) expect(await storedState(replica, call)).toBe('recording');
    expect(await after.outbox.depth()).toBeGreaterThanOrEqual(2 * acknowledged.length);
  });

  test('is unknown when the connection was lost before the replica could tell', async () => {
    const { primary, replica } = await pair();
    const store = await open(primary.url, { waitReplicas: 1, commandTimeoutMs: minute });
    const call = newCall();
    const commit = commitOn(await store.calls.read(call), call, 'starting');
    await replica.kill('SIGSTOP');
    const waiting = faultOf(store.calls.commit(commit));
    await eventually(async () => (await primary.cli('info', 'clients')).includes('blocked_clients:1'));
    await primary.cli('client', 'kill', 'type', 'normal');
    expect(await waiting).toBeFault('StoreUnavailable');
  });
});
