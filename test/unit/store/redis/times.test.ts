import { describe, expect, test } from '@jest/globals';
import type { SessionTimes } from '../../../../src/core/call/session.ts';
import type { JoinRefusal } from '../../../../src/core/ports/session-store.ts';
import { formatNumber } from '../../../../src/store/redis/keys.ts';
import type { RedisStore } from '../../../../src/store/redis/store.ts';
import { commitOn, minute, move, newCall, recordingCall } from '../../../conformance/store-fixtures.ts';
import { lasting } from '../../../support/session-times.ts';
import { TestBed, testBedKeys as keys } from '../../../support/virtual-redis/test-bed.ts';

const day = 24 * 60 * minute;

async function joined(testBed: TestBed, times: SessionTimes = lasting(minute)): Promise<RedisStore> {
  const store = testBed.store();
  expect(await store.sessions.join(`session-${testBed.now}-${Math.random()}`, times)).toBe('joined');
  return store;
}

const steps = [-60 * minute, -1, 1, 60 * minute, 3 * day];

describe('protocol time', () => {
  test.each(steps)('neither goes back nor stands still after a step of %i ms', async (byMs) => {
    const testBed = new TestBed();
    const store = await joined(testBed);
    const { call } = await recordingCall(store);
    let before = (await store.calls.read(call)).now;
    testBed.skewMs = byMs;
    for (const state of ['stopping', 'unconfirmed', 'idle', 'starting'] as const) {
      testBed.now += 10;
      const { state: after } = await move(store, call, state);
      const view = await store.calls.read(call);
      expect(view.now).toBeGreaterThanOrEqual(before + (state === 'stopping' ? 0 : 10));
      expect(view.clock).toBe(Date.UTC(2026, 0, 31, 12) + testBed.now + byMs);
      if (state === 'starting') expect(after.epoch).toBeGreaterThan(before);
      before = view.now;
    }
  });

  test('goes on where it was with a replica whose clock is behind, also for who has not seen it', async () => {
    const testBed = new TestBed();
    const store = await joined(testBed);
    const { call } = await recordingCall(store);
    testBed.now += 1000;
    await move(store, call, 'stopping');
    const { now, version } = await store.calls.read(call);
    testBed.skewMs = -5000;
    testBed.server.takeOver(0);
    const other = testBed.store();
    const after = await other.calls.read(call);
    expect(after.now).toBeGreaterThanOrEqual(now);
    expect(after.version).toBe(version);
    await move(other, call, 'unconfirmed');
    expect((await other.calls.read(call)).version).toBeGreaterThan(version);
  });

  test('is at least what the caller has seen, though the store has lost it', async () => {
    const testBed = new TestBed();
    const store = await joined(testBed);
    const { call } = await recordingCall(store);
    testBed.now += 1000;
    const { now } = await store.calls.read(call);
    testBed.skewMs = -60 * minute;
    testBed.server.restartEmpty();
    expect((await store.calls.read(call)).now).toBeGreaterThanOrEqual(now);
  });
});

describe('watched time', () => {
  test.each(steps)('grows by what was measured, whatever the clock does (%i ms)', async (byMs) => {
    const testBed = new TestBed();
    const [one, other] = [await joined(testBed), await joined(testBed)];
    const { call } = await recordingCall(one);
    const { watched } = await other.calls.read(call);
    testBed.skewMs = byMs;
    testBed.now += 5000;
    await one.calls.idle(minute, 10);
    testBed.now += 5000;
    await other.calls.idle(minute, 10);
    const grown = (await one.calls.read(call)).watched - watched;
    // A step back costs what had been measured since the last look; one forward counts for a moment.
    expect(grown).toBeLessThanOrEqual(10_500);
    expect(grown).toBeGreaterThanOrEqual(byMs < -1 ? 5000 : 9900);
  });

  test.each(steps)('forgets nothing and silences nothing for a step of %i ms', async (byMs) => {
    const testBed = new TestBed();
    const store = await joined(testBed);
    const [call, ended] = [newCall(), newCall()];
    await move(store, call, 'starting');
    await move(store, ended, 'ended', { retentionMs: 2 * day });
    testBed.now += minute;
    expect(await store.calls.sweep(10)).toBe(0);
    testBed.skewMs = byMs;
    testBed.now += minute;
    expect(await store.calls.sweep(10)).toBe(0);
    expect(await store.calls.idle(50 * minute, 10)).toEqual([]);
    expect((await store.calls.read(ended)).state?.state).toBe('ended');
    // In time both come true.
    for (let passed = 0; passed < 50 * minute; passed += minute) {
      testBed.now += minute;
      await store.calls.sweep(10);
    }
    expect(await store.calls.idle(50 * minute, 10)).toEqual([call]);
    testBed.now += 2 * day;
    expect(await store.calls.sweep(10)).toBe(1);
    expect((await store.calls.read(ended)).state).toBeNull();
  });

  test('stands still while nobody runs', async () => {
    const testBed = new TestBed();
    const store = await joined(testBed);
    const ended = newCall();
    await move(store, ended, 'ended', { retentionMs: 2 * day });
    testBed.now += 3 * day;
    const next = await joined(testBed);
    expect(await next.calls.sweep(10)).toBe(0);
    expect((await next.calls.read(ended)).state?.state).toBe('ended');
  });
});

describe('a life of the store (rule R2)', () => {
  const times: SessionTimes = { ttlMs: 5000, graphTimeoutMs: 1000, ttlMaxMs: 8000, graphTimeoutMaxMs: 2000 };

  test.each(steps)('lasts as long as this process has seen it, after a step of %i ms', async (byMs) => {
    const testBed = new TestBed();
    const store = await joined(testBed, times);
    const call = newCall();
    testBed.now += 1000;
    expect((await store.calls.read(call)).livedMs).toBe(1000);
    testBed.skewMs = byMs;
    expect((await store.calls.read(call)).livedMs).toBe(1000);
    testBed.now += 1000;
    expect((await store.calls.read(call)).livedMs).toBe(2000);
    // Somebody else has seen nothing of it.
    expect((await testBed.store().calls.read(call)).livedMs).toBe(0);
  });

  test('is settled by whoever has counted the time that the operator allows, for everybody after', async () => {
    const testBed = new TestBed();
    const store = testBed.store();
    await store.sessions.join('session-1', times);
    const livedFor = async (): Promise<number> => (await testBed.store().calls.read(newCall())).livedMs;
    testBed.now += 7999;
    await store.sessions.heartbeat('session-1', []);
    expect(await livedFor()).toBe(0);
    testBed.now += 1;
    await store.sessions.heartbeat('session-1', []);
    expect(await livedFor()).toBe(Infinity);
    // Another life has to be counted anew.
    testBed.server.restart(10);
    expect(await livedFor()).toBe(0);
  });

  test('is settled later where a primary that was replaced may go on', async () => {
    const testBed = new TestBed();
    const first = await joined(testBed, times);
    const { call } = await recordingCall(first);
    testBed.server.takeOver(0);
    const store = testBed.store();
    await store.sessions.join('session-1', times);
    expect(await store.calls.read(call)).toMatchObject({ livedMs: -15_000, isOfThisLife: false });
    testBed.now += 22_999;
    await store.sessions.heartbeat('session-1', []);
    expect((await store.calls.read(call)).livedMs).toBe(7999);
    testBed.now += 1;
    await store.sessions.heartbeat('session-1', []);
    expect((await store.calls.read(call)).livedMs).toBe(Infinity);
  });

  test('that was kept whole over a restart goes on, settled or not', async () => {
    const testBed = new TestBed();
    const store = await joined(testBed, times);
    const { call } = await recordingCall(store);
    const before = await store.calls.read(call);
    testBed.server.restart(0);
    expect(await testBed.store().calls.read(call)).toMatchObject({ life: before.life, isOfThisLife: true });
  });
});

describe('the lease of the evidence', () => {
  test.each(steps)('is neither lost nor kept by a step of %i ms', async (byMs) => {
    const testBed = new TestBed();
    const [one, other] = [await joined(testBed), await joined(testBed)];
    expect(await one.outbox.lease('one', 10_000)).toBe(true);
    expect(await other.outbox.lease('other', 10_000)).toBe(false);
    testBed.skewMs = byMs;
    testBed.now += 9000;
    expect(await other.outbox.lease('other', 10_000)).toBe(false);
    expect(await one.outbox.lease('one', 10_000)).toBe(true);
    testBed.now += 9000;
    // It was renewed, so it is watched anew.
    expect(await other.outbox.lease('other', 10_000)).toBe(false);
    testBed.now += 9999;
    expect(await other.outbox.lease('other', 10_000)).toBe(false);
    testBed.now += 1;
    expect(await other.outbox.lease('other', 10_000)).toBe(true);
    expect(await one.outbox.lease('one', 10_000)).toBe(false);
  });

  test('is not given to anybody before a store was joined, or where another build has one', async () => {
    const testBed = new TestBed();
    const store = testBed.store();
    expect(await store.outbox.lease('one', 1000)).toBe(false);
    testBed.server.command('set', keys.lease, 'an owner', 'PX', '5000');
    await expect(store.outbox.lease('one', 1000)).rejects.toThrow('WRONGTYPE');
  });
});

describe('times that do not go together', () => {
  const mine: SessionTimes = { ttlMs: 5000, graphTimeoutMs: 1000, ttlMaxMs: 5000, graphTimeoutMaxMs: 1000 };
  const refusalOf = async (testBed: TestBed, times: SessionTimes): Promise<string> => {
    const refusal = await testBed.store().sessions.join('other', times);
    expect(refusal).not.toBe('joined');
    expect((refusal as JoinRefusal).why).toBe('times');
    return (refusal as JoinRefusal).text;
  };

  test.each([
    [
      'a longer TTL than a member allows',
      { ttlMs: 6000, ttlMaxMs: 6000 },
      'TALLYLIGHT_SESSION_TTL_MS is 6000 on this instance',
    ],
    [
      'a shorter TTL than a member has',
      { ttlMs: 300, ttlMaxMs: 300 },
      'TALLYLIGHT_SESSION_TTL_MS is 5000 at session',
    ],
    [
      'a longer Graph timeout than a member allows',
      { graphTimeoutMs: 1001, graphTimeoutMaxMs: 1001 },
      'TALLYLIGHT_GRAPH_TIMEOUT_MS is 1001 on this instance',
    ],
    [
      'a shorter Graph timeout than a member has',
      { graphTimeoutMs: 999, graphTimeoutMaxMs: 999 },
      'TALLYLIGHT_GRAPH_TIMEOUT_MS is 1000 at session',
    ],
  ] as const)('keep an instance with %s out, and are named', async (_, changes, text) => {
    const testBed = new TestBed();
    await joined(testBed, mine);
    expect(await refusalOf(testBed, { ...mine, ...changes })).toContain(text);
  });

  test('may differ within what both allow', async () => {
    const testBed = new TestBed();
    await joined(testBed, { ...mine, ttlMaxMs: 9000 });
    await joined(testBed, { ...mine, ttlMs: 9000, ttlMaxMs: 9000 });
    await joined(testBed, { ...mine, ttlMs: 300, ttlMaxMs: 9000 });
  });

  test('count no longer once the member has left, or has given no sign of life for long', async () => {
    const testBed = new TestBed();
    const store = testBed.store();
    await store.sessions.join('leaves', mine);
    await refusalOf(testBed, { ...mine, ttlMaxMs: 300, ttlMs: 300 });
    await store.sessions.quit('leaves');
    const watcher = testBed.store();
    await watcher.sessions.join('watches', { ...mine, ttlMaxMs: 9000, ttlMs: 9000 });
    const silent = testBed.store();
    await silent.sessions.join('crashes', { ...mine, ttlMaxMs: 9000 });
    for (let passed = 0; passed < 120_000; passed += 3000) {
      expect(await watcher.sessions.heartbeat('watches', [])).toEqual([]);
      testBed.now += 3000;
      await new Promise(setImmediate);
    }
    expect(await watcher.sessions.revoke('crashes', { call: newCall(), epoch: 1 })).toBe('missing');
    expect(await watcher.sessions.revoke('watches', { call: newCall(), epoch: 1 })).toEqual(
      expect.any(Number),
    );
    await watcher.sessions.quit('watches');
    expect(await testBed.store().sessions.join('next', { ...mine, ttlMaxMs: 300, ttlMs: 300 })).toBe(
      'joined',
    );
  });
});

describe('the format of the store', () => {
  test('of a later build is not joined', async () => {
    const testBed = new TestBed();
    await joined(testBed);
    testBed.server.command('set', keys.layout, String(formatNumber + 1));
    const refusal = await testBed.store().sessions.join('other', lasting(minute));
    expect(refusal).toMatchObject({
      why: 'format',
      text: expect.stringContaining(`has format ${formatNumber + 1}`),
    });
  });

  test('of the build before is neither joined nor touched', async () => {
    const testBed = new TestBed();
    for (let shard = 0; shard < keys.shards; shard++)
      testBed.server.command(
        'hset',
        keys.shard(shard).mark,
        'began',
        '5',
        'born',
        '5',
        'run',
        'r',
        'kept',
        '1',
      );
    const call = newCall();
    testBed.server.command('hset', keys.call(call).call, 'state', 'recording', 'epoch', '7', 'version', '9');
    testBed.server.command('xadd', keys.call(call).outbox, '*', 'record', '{}');
    const store = testBed.store();
    const refusal = await store.sessions.join('other', lasting(minute));
    expect(refusal).toMatchObject({ why: 'format', text: expect.stringContaining('earlier build') });
    await expect(store.calls.read(call)).rejects.toThrow('WRONGTYPE');
    await expect(store.sessions.join('other', lasting(minute))).resolves.toMatchObject({ why: 'format' });
    expect(await store.outbox.lease('writer', minute)).toBe(false);
    expect(testBed.server.command('exists', keys.members, keys.layout)).toBe(0);
  });

  test('of a later build is not written over in a shard, where the number of the store is gone', async () => {
    const testBed = new TestBed();
    const call = newCall();
    testBed.server.command('set', keys.call(call).mark, String(formatNumber + 1));
    await expect(testBed.store().calls.read(call)).rejects.toThrow(
      `holds ${formatNumber + 1}, not ${formatNumber}`,
    );
    expect(testBed.server.command('get', keys.call(call).mark)).toBe(String(formatNumber + 1));
    expect(testBed.server.command('exists', keys.call(call).shard)).toBe(0);
  });

  test('of this build fails what an earlier build would do first', async () => {
    const testBed = new TestBed();
    await joined(testBed);
    // Its scripts read a hash there, and its writer a string.
    expect(() => testBed.server.command('hmget', keys.shard(0).mark, 'run', 'promoted')).toThrow('WRONGTYPE');
    expect(() => testBed.server.command('get', keys.lease)).toThrow('WRONGTYPE');
  });
});

describe('a clock that is set', () => {
  test.each([
    [60 * minute, 'forward'],
    [-60 * minute, 'back'],
  ] as const)('by %i ms is told once, and counted', async (byMs, direction) => {
    const testBed = new TestBed();
    const store = testBed.store();
    await store.sessions.join('session-1', lasting(minute));
    const beat = async (): Promise<void> => {
      testBed.now += 1000;
      expect(await store.sessions.heartbeat('session-1', [])).toEqual([]);
    };
    await beat();
    await beat();
    testBed.skewMs = byMs;
    await beat();
    await beat();
    expect(testBed.steps).toEqual([direction]);
    expect(testBed.said.filter((text) => text.includes('clock of the store was changed'))).toHaveLength(1);
  });

  test('neither ends a session nor keeps a dead one', async () => {
    const testBed = new TestBed();
    const store = testBed.store();
    await store.sessions.join('session-1', lasting(1000));
    const { call } = await recordingCall(store);
    await store.calls.acquire(call, 'session-1');
    for (const byMs of [3 * day, -day]) {
      testBed.skewMs += byMs;
      const beat = await store.sessions.revoke('session-1', { call, epoch: 1 });
      expect(await store.sessions.heartbeat('session-1', [])).toHaveLength(1);
      expect(await store.sessions.revoke('session-1', { call, epoch: 1 })).not.toBe(beat);
    }
    const view = await store.calls.read(call);
    expect(await store.calls.commit(commitOn(view, call, 'stopping'))).toBe(true);
  });
});
