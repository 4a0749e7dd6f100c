import { describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../../src/core/call/key.ts';
import type { RedisStore } from '../../../../src/store/redis/store.ts';
import { minute, newCall, recordingCall } from '../../../conformance/store-fixtures.ts';
import { lasting } from '../../../support/session-times.ts';
import { TestBed, testBedKeys as keys } from '../../../support/virtual-redis/test-bed.ts';

const steps = [-60 * minute, -1, 1, 60 * minute, 3 * 24 * 60 * minute];

describe('for how long an epoch has been open', () => {
  /** What a store tells a session that acquires the call now. */
  const openFor = async (store: RedisStore, call: CallKey): Promise<number> => {
    const held = await store.calls.acquire(call, 'session-1');
    if (held.state !== 'recording') throw new Error(`the call is ${held.state}`);
    return held.openForMs;
  };
  const pair = async (testBed: TestBed): Promise<readonly [RedisStore, RedisStore]> => {
    const stores = [testBed.store(), testBed.store()] as const;
    for (const store of stores)
      expect(await store.sessions.join('session-1', lasting(minute))).toBe('joined');
    return stores;
  };

  test('is known to an instance that did not open it, to some milliseconds', async () => {
    const testBed = new TestBed();
    const [one, other] = await pair(testBed);
    testBed.now += 20 * minute;
    const { call } = await recordingCall(one);
    for (const [waitMs, least] of [
      [0, 0],
      [700, 690],
      [5 * minute, 5 * minute],
    ] as const) {
      testBed.now += waitMs;
      const openForMs = await openFor(other, call);
      expect(openForMs).toBeLessThanOrEqual(waitMs + (least === 0 ? 0 : 700));
      expect(openForMs).toBeGreaterThanOrEqual(least);
    }
  });

  test.each(steps)('is never told too long after a step of %i ms, whenever it comes', async (byMs) => {
    for (const when of ['before', 'after', 'later'] as const) {
      const testBed = new TestBed();
      const [one, other] = await pair(testBed);
      testBed.now += 2000;
      await other.calls.read(newCall());
      testBed.now += 3000;
      if (when === 'before') testBed.skewMs = byMs;
      testBed.now += 1000;
      const { call } = await recordingCall(one);
      const openedAt = testBed.now;
      testBed.now += 1000;
      if (when === 'after') testBed.skewMs = byMs;
      testBed.now += 500;
      expect(await openFor(other, call)).toBeLessThanOrEqual(testBed.now - openedAt);
      if (when === 'later') testBed.skewMs = byMs;
      testBed.now += 500;
      for (const store of [one, other])
        expect(await openFor(store, call)).toBeLessThanOrEqual(testBed.now - openedAt);
    }
  });

  test('is at most the time since an instance that came later has known the call to be open', async () => {
    const testBed = new TestBed();
    const [one] = await pair(testBed);
    const { call } = await recordingCall(one);
    testBed.now += minute;
    testBed.skewMs = 60 * minute;
    const late = testBed.store();
    await late.sessions.join('session-1', lasting(minute));
    testBed.now += 300;
    expect(await openFor(late, call)).toBeLessThanOrEqual(300);
    testBed.now += 300;
    expect(await openFor(late, call)).toBeGreaterThanOrEqual(590);
  });

  test('is not known where a build opened it that does not note it', async () => {
    const testBed = new TestBed();
    const [one, other] = await pair(testBed);
    const { call } = await recordingCall(one);
    testBed.server.command('hdel', keys.call(call).call, 'opened');
    testBed.now += minute;
    expect(await openFor(other, call)).toBe(0);
    testBed.server.command('hset', keys.call(call).call, 'opened', '1 0.000');
    expect(await openFor(other, call)).toBe(0);
  });
});
