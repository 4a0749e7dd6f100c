import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../src/core/call/key.ts';
import { redisStore, type RedisStore, type RedisStoreOptions } from '../../../src/store/redis/client.ts';
import { commitOn, minute, move, newCall, recordingCall, tally } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<TestRedis> {
  const redis = await startRedis(options);
  cleanUp.push(() => redis.stop());
  return redis;
}

function open(redis: TestRedis, options: RedisStoreOptions = {}): RedisStore {
  const store = redisStore(redis.url, options);
  cleanUp.push(() => store.close());
  return store;
}

/** Longer than a test may take: whoever waits for it fails the test. */
const never = 10 * minute;

const faultOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

const answersAgain = (store: RedisStore): Promise<unknown> =>
  eventually(() =>
    store.ping().then(
      () => true,
      () => false,
    ),
  );

const stateOf = async (store: RedisStore, call: CallKey): Promise<string | undefined> =>
  (await store.calls.read(call)).state?.state;

describe('a Redis that is gone', () => {
  test('makes every command fail at once, without waiting for the command timeout', async () => {
    const redis = await server();
    const store = open(redis, { commandTimeoutMs: never });
    await store.ready();
    await store.ping();
    await redis.kill('SIGKILL');
    const call = newCall();
    for (const command of [
      () => store.ping(),
      () => store.calls.read(call),
      () => store.calls.acquire(call, 'session-1'),
      () => store.calls.leave(call, { session: 'session-1', epoch: 1 }, tally()),
      () => store.sessions.join('session-1', lasting(minute)),
      () => store.sessions.revoke('session-1', { call, epoch: 1 }),
      () => store.outbox.lease('one', minute),
      () => store.outbox.pending(1),
      () => store.outbox.depth(),
      () => store.outbox.claimSink('sink'),
    ])
      expect(await faultOf(command())).toBeFault('StoreUnavailable');
  });

  test('fails a command that it was running, too', async () => {
    const redis = await server();
    const store = open(redis, { commandTimeoutMs: never });
    await store.ready();
    await redis.kill('SIGSTOP');
    const reading = faultOf(store.calls.read(newCall()));
    await redis.kill('SIGKILL');
    expect(await reading).toBeFault('StoreUnavailable');
  });

  test('at the start does not keep the store from being made; it connects when it can', async () => {
    const redis = await server();
    await redis.kill('SIGKILL');
    const store = open(redis);
    expect(await faultOf(store.calls.read(newCall()))).toBeFault('StoreUnavailable');
    const woken: string[] = [];
    await store.sessions.onWake('session-1', () => woken.push('session-1'));
    const ready = store.ready();
    await redis.restart({ keepData: false });
    await ready;
    await store.sessions.join('session-1', lasting(minute));
    const channel = 'tallylight:wake:session-1';
    await eventually(async () => (await redis.cli('pubsub', 'numsub', channel)).endsWith('1'));
    await eventually(async () => {
      await store.sessions.revoke('session-1', { call: newCall(), epoch: 1 });
      return woken.length > 0;
    });
  });

  test('leaves nobody waiting for ready once the store is closed', async () => {
    const redis = await server();
    await redis.kill('SIGKILL');
    const store = open(redis);
    const ready = faultOf(store.ready());
    await store.close();
    expect(await ready).toBeFault('StoreUnavailable');
    expect(await faultOf(store.ready())).toBeFault('StoreUnavailable');
  });
});

describe('a Redis that comes back', () => {
  test('with its data keeps the states and its life, but no session', async () => {
    const redis = await server({ appendOnly: true });
    const store = open(redis);
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    const { call, epoch } = await recordingCall(store);
    await store.calls.acquire(call, 'session-1');
    const before = await store.calls.read(call);

    await redis.restart({ keepData: true });
    await answersAgain(store);
    expect(await store.calls.read(call)).toMatchObject({
      state: before.state,
      version: before.version,
      life: before.life,
      isOfThisLife: true,
      holders: [{ session: 'session-1', epoch, ttlMs: minute, graphTimeoutMs: 1000 }],
    });
    expect(await store.outbox.depth()).toBe(2);
    // The key is there, but a session is bound to the connection it was joined on.
    expect(await redis.cli('exists', 'tallylight:{session-1}:session')).toBe('1');
    expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
    expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
    await store.sessions.join('session-2', lasting(minute));
    expect(await store.sessions.heartbeat('session-2', [])).toEqual([]);
  });

  test('without its data has begun anew, and nothing from before fits', async () => {
    const redis = await server();
    const [store, peer] = [open(redis), open(redis)];
    await Promise.all([store.ready(), peer.ready()]);
    await store.sessions.join('session-1', lasting(minute));
    const { call } = await recordingCall(store);
    const before = await store.calls.read(call);

    await redis.restart({ keepData: false });
    await answersAgain(store);
    await answersAgain(peer);
    const after = await store.calls.read(call);
    expect(after).toMatchObject({ state: null, version: 0, holders: [] });
    expect(after.life).not.toBe(before.life);
    expect(after.now).toBeGreaterThanOrEqual(before.now);
    expect(await store.calls.commit(commitOn(before, call, 'stopping'))).toBe(false);
    expect(await store.calls.acquire(call, 'session-1')).toEqual({ state: 'idle' });
    expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
    expect(await peer.sessions.revoke('session-1', { call, epoch: 1 })).toBe('missing');
  });

  test('gives every part of the store its marker again with the first session that joins', async () => {
    const redis = await server();
    const store = open(redis);
    await store.ready();
    const markers = async (): Promise<string[]> =>
      (await redis.cli('--scan', '--pattern', 'tallylight:{*}:life')).split('\n').filter(Boolean);
    await store.sessions.join('session-1', lasting(minute));
    expect(await markers()).toHaveLength(256);
    await redis.restart({ keepData: false });
    await answersAgain(store);
    expect(await markers()).toEqual([]);
    await store.sessions.join('session-2', lasting(minute));
    expect(await markers()).toHaveLength(256);
  });

  test('does not take versions of a call from before for those of its new life', async () => {
    const redis = await server();
    const store = open(redis);
    await store.ready();
    const call = newCall();
    await move(store, call, 'starting');
    const before = await store.calls.read(call);
    await redis.restart({ keepData: false });
    await answersAgain(store);
    await move(store, call, 'starting');
    expect(await store.calls.commit(commitOn(before, call, 'recording'))).toBe(false);
    expect(await stateOf(store, call)).toBe('starting');
  });
});

test('a connection that is cut ends the session and tells its owner; the next one is a new session', async () => {
  const redis = await server();
  const store = open(redis);
  await store.ready();
  let woken = 0;
  await store.sessions.join('session-1', lasting(minute));
  await store.sessions.onWake('session-1', () => (woken += 1));
  await redis.cli('client', 'kill', 'type', 'normal');
  await eventually(() => woken > 0);
  expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
  await answersAgain(store);
  expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
  await store.sessions.join('session-2', lasting(minute));
  expect(await store.sessions.heartbeat('session-2', [])).toEqual([]);
});

test('a subscription that is cut is made again', async () => {
  const redis = await server();
  const store = open(redis);
  await store.ready();
  let woken = 0;
  await store.sessions.join('session-1', lasting(minute));
  await store.sessions.onWake('session-1', () => (woken += 1));
  const subscribers = (): Promise<string> => redis.cli('pubsub', 'numsub', 'tallylight:wake:session-1');
  await eventually(async () => (await subscribers()).endsWith('1'));
  await redis.cli('client', 'kill', 'type', 'pubsub');
  // What was published meanwhile is lost, so coming back wakes by itself.
  await eventually(() => woken > 0);
  woken = 0;
  expect(await store.sessions.heartbeat('session-1', [])).toEqual([]);
  await store.sessions.revoke('session-1', { call: newCall(), epoch: 1 });
  await eventually(() => woken > 0);
});

describe('a command that timed out', () => {
  test('and runs later does no harm, and its repetition is recognised', async () => {
    const redis = await server();
    const [slow, patient] = [
      open(redis, { commandTimeoutMs: 100 }),
      open(redis, { commandTimeoutMs: never }),
    ];
    await Promise.all([slow.ready(), patient.ready()]);
    // Each asks for the format of the store before it sends anything else.
    await patient.sessions.join('session-1', lasting(minute));
    await eventually(() =>
      stateOf(slow, newCall()).then(
        () => true,
        () => false,
      ),
    );
    const call = newCall();
    const commit = commitOn(await patient.calls.read(call), call, 'starting');
    await redis.kill('SIGSTOP');
    expect(await faultOf(slow.calls.commit(commit))).toBeFault('StoreUnavailable');
    await redis.kill('SIGCONT');
    await eventually(async () => (await stateOf(patient, call)) === 'starting');
    const { version } = await patient.calls.read(call);
    expect(await patient.calls.commit(commit)).toBe(true);
    expect((await patient.calls.read(call)).version).toBe(version);
    expect(await patient.outbox.depth()).toBe(1);
    // The record of a commit whose reply was lost is drained by the instance that sent it, without a sweep.
    const drained = (): Promise<unknown> =>
      slow.outbox.pending(5).then(
        ([first]) => first?.record,
        // A slow machine can be too slow for this limit.
        () => undefined,
      );
    expect(await eventually(drained)).toEqual(commit.record);
  });

  test('and runs after another commit changes nothing', async () => {
    const redis = await server();
    const [slow, patient] = [
      open(redis, { commandTimeoutMs: 100 }),
      open(redis, { commandTimeoutMs: never }),
    ];
    await Promise.all([slow.ready(), patient.ready()]);
    // Each asks for the format of the store before it sends anything else.
    await patient.sessions.join('session-1', lasting(minute));
    await eventually(() =>
      stateOf(slow, newCall()).then(
        () => true,
        () => false,
      ),
    );
    const call = newCall();
    const view = await patient.calls.read(call);
    await redis.kill('SIGSTOP');
    // Both wait in the stopped server; whichever it reads first wins, and the other finds another version.
    const racing = patient.calls.commit(commitOn(view, call, 'ended'));
    expect(await faultOf(slow.calls.commit(commitOn(view, call, 'starting')))).toBeFault('StoreUnavailable');
    await redis.kill('SIGCONT');
    const won = await racing;
    await patient.ping();
    expect(await stateOf(patient, call)).toBe(won ? 'ended' : 'starting');
    expect(await patient.outbox.depth()).toBe(1);
  });
});

test('scripts that the server has forgotten are sent again', async () => {
  const redis = await server();
  const store = open(redis, { prefix: randomUUID() });
  await store.ready();
  await store.sessions.join('session-1', lasting(minute));
  const { call } = await recordingCall(store);
  await redis.cli('script', 'flush');
  expect(await redis.cli('info', 'memory')).toContain('number_of_cached_scripts:0');
  const [view, acquired] = await Promise.all([
    store.calls.read(call),
    store.calls.acquire(call, 'session-1'),
  ]);
  expect([view.state?.state, acquired.state]).toEqual(['recording', 'recording']);
  expect(await redis.cli('info', 'memory')).not.toContain('number_of_cached_scripts:0');
});
