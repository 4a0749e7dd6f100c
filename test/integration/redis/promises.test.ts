import { afterEach, describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../src/core/call/key.ts';
import type { Gate } from '../../../src/gate/gate.ts';
import { redisStore, type RedisStore } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { commitOn, minute, move, newCall, recordingCall } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { RedisGates, waitIsOver } from '../../support/redis-gates.ts';
import { patient, startRedis, type RedisOptions, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const everysec: RedisOptions = { appendOnly: true, settings: ['--appendfsync', 'everysec'] };

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function server(options: RedisOptions): Promise<TestRedis> {
  const redis = await startRedis(options);
  cleanUp.push(() => redis.stop());
  return redis;
}

/** Two instances, with a call that is being recorded and a write on each of them. */
async function recorded(options: RedisOptions, url = (redis: TestRedis): string => redis.url) {
  const redis = await server(options);
  const gates = new RedisGates();
  cleanUp.push(() => gates.close());
  const [one, other] = [await openGate(gates, url(redis)), await openGate(gates, url(redis))];
  await waitIsOver(redis);
  const call = newCall();
  await gates.recording(one, call);
  const writes = await Promise.all([one, other].map((gate) => eventually(() => gates.write(gate, call))));
  const restarted = async (how: Parameters<TestRedis['restart']>[0]): Promise<void> => {
    await redis.restart(how);
    // A session of before is cut off, and one of now is joined.
    await eventually(() => writes.every((write) => !write.mayContinue()));
    await Promise.all([gates.ready(one), gates.ready(other)]);
  };
  return { redis, gates, one, other, call, restarted, writes };
}

async function openGate(gates: RedisGates, url: string): Promise<Gate> {
  const store = redisStore(url);
  await store.ready();
  return gates.open(store);
}

async function view(redis: TestRedis): Promise<RedisStore> {
  const store = redisStore(redis.url, patient);
  cleanUp.push(() => store.close());
  await store.ready();
  return store;
}

const stateOf = async (redis: TestRedis, call: CallKey): Promise<string | undefined> =>
  (await (await view(redis)).calls.read(call)).state?.state;

describe('one Redis with appendonly yes and appendfsync always', () => {
  test('killed, keeps every change that it has acknowledged', async () => {
    const redis = await server({ appendOnly: true });
    const store = await view(redis);
    await store.sessions.join('session-1', lasting(minute));
    const acknowledged: CallKey[] = [];
    const changing = Array.from({ length: 20 }, async () => {
      for (;;) {
        const { call } = await recordingCall(store);
        await move(store, call, 'stopping');
        acknowledged.push(call);
      }
    });
    const over = Promise.allSettled(changing);
    await eventually(() => acknowledged.length > 50);
    await redis.restart({ keepData: true });
    await over;
    const after = await view(redis);
    for (const call of acknowledged)
      expect((await after.calls.read(call)).state).toMatchObject({ state: 'stopping' });
    expect(await after.outbox.depth()).toBeGreaterThanOrEqual(3 * acknowledged.length);
  });

  test('killed while a call is recorded, lets it go on without another start', async () => {
    const { gates, one, other, call, restarted } = await recorded({ appendOnly: true });
    await restarted({ keepData: true });
    for (const gate of [one, other]) gates.finish(await eventually(() => gates.write(gate, call)));
    expect(await gates.settled(() => gates.stop(one, call))).toBe('stopped');
    expect(gates).toMatchObject({ sent: ['recording', 'notRecording'], violations: [] });
  });
});

describe('one Redis with appendfsync everysec', () => {
  test('that has forgotten a stop but not the start admits nothing, and says so to nobody before the time', async () => {
    const { redis, gates, one, other, call, restarted, writes } = await recorded(everysec);
    const beforeStop = await redis.copyData();
    for (const write of writes) gates.finish(write);
    expect(await gates.settled(() => gates.stop(other, call))).toBe('stopped');

    await restarted({ keepData: true, from: beforeStop });
    expect(await stateOf(redis, call)).toBe('recording');
    // One that took part remembers for a while that the epoch was revoked (rule R1); one that is new does not.
    const young = await openGate(gates, redis.url);
    for (const gate of [one, other, young]) expect(await gates.write(gate, call)).toBeUndefined();
    expect(await gates.settled(() => gates.start(one, call))).toBe('StoreFresh');
    expect(await gates.settled(() => gates.stop(other, call))).toBe('StoreFresh');
    expect(gates.sent).toEqual(['recording', 'notRecording']);

    await waitIsOver(redis);
    expect(await gates.settled(() => gates.stop(one, call))).toBe('stopped');
    await gates.recording(other, call);
    for (const gate of [one, other]) await eventually(() => gates.write(gate, call));
    expect(gates.violations).toEqual([]);
  });

  test('that has forgotten everything after a start was requested does not open for its confirmation', async () => {
    const redis = await server(everysec);
    const store = await view(redis);
    const call = newCall();
    await move(store, call, 'starting');
    const whileStarting = await redis.copyData();
    await move(store, call, 'recording');
    await move(store, call, 'stopping');
    await redis.restart({ keepData: true, from: whileStarting });
    const after = await view(redis);
    await move(after, call, 'recording');
    await after.sessions.join('session-2', lasting(minute));
    expect(await after.calls.acquire(call, 'session-2')).toEqual({ state: 'idle' });
    await move(after, call, 'idle');
    await move(after, call, 'starting');
    await move(after, call, 'recording');
    expect(await after.calls.acquire(call, 'session-2')).toMatchObject({ state: 'recording' });
  });

  test('takes no change that was computed from what it has forgotten, though the version fits', async () => {
    const redis = await server(everysec);
    const store = await view(redis);
    const call = newCall();
    await move(store, call, 'stopping');
    const copy = await redis.copyData();
    const before = await store.calls.read(call);
    await redis.restart({ keepData: true, from: copy });
    const after = await view(redis);
    expect((await after.calls.read(call)).version).toBe(before.version);
    expect(await after.calls.commit(commitOn(before, call, 'unconfirmed'))).toBe(false);
    await move(after, call, 'unconfirmed');
  });

  test('cannot tell that nothing was forgotten, so its restart closes the gates', async () => {
    const { gates, one, call, restarted } = await recorded(everysec);
    await restarted({ keepData: true });
    expect(await gates.write(one, call)).toBeUndefined();
    expect(await gates.settled(() => gates.start(one, call))).toBe('StoreFresh');
    expect(gates).toMatchObject({ sent: ['recording'], violations: [] });
  });

  test('is found out when it became so while running, with the next connection', async () => {
    const { redis, gates, one, other, call, restarted, writes } = await recorded({ appendOnly: true });
    await redis.cli('config', 'set', 'appendfsync', 'everysec');
    await redis.cli('client', 'kill', 'type', 'normal');
    await eventually(() => writes.every((write) => !write.mayContinue()));
    await Promise.all([gates.ready(one), gates.ready(other)]);
    await eventually(() => gates.write(one, call));
    await restarted({ keepData: true });
    expect(await gates.write(one, call)).toBeUndefined();
  });
});

test('one Redis that does not tell its configuration is taken for one that forgets', async () => {
  const acl = ['--user', 'gate', 'on', '>secret', '~tallylight:*', '&tallylight:*', '+@all', '-@admin'];
  const { gates, one, call, restarted } = await recorded({ appendOnly: true, settings: acl }, ({ url }) =>
    url.replace('//', '//gate:secret@'),
  );
  await restarted({ keepData: true });
  expect(await gates.write(one, call)).toBeUndefined();
});

test('one Redis without appendonly forgets everything: gates close, and status changes wait', async () => {
  const { redis, gates, one, other, call, restarted } = await recorded({});
  await restarted({ keepData: false });
  for (const gate of [one, other]) expect(await gates.write(gate, call)).toBeUndefined();
  expect(await gates.settled(() => gates.start(one, call))).toBe('StoreFresh');
  expect(await gates.settled(() => gates.stop(other, call))).toBe('StoreFresh');
  await waitIsOver(redis);
  await gates.recording(one, call);
  await eventually(() => gates.write(other, call));
  expect(gates.violations).toEqual([]);
});

test('a session that came back with the data of another time is not the one that was joined', async () => {
  const redis = await server(everysec);
  const store = await view(redis);
  await store.sessions.join('session-1', lasting(minute));
  const { session } = keysWith('tallylight').session('session-1');
  await redis.cli('hset', session, 'run', 'another');
  expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
});
