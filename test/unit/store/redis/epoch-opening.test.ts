import { describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../../src/core/call/key.ts';
import type { RedisStore } from '../../../../src/store/redis/store.ts';
import { minute, newCall, recordingCall } from '../../../conformance/store-fixtures.ts';
import { lasting } from '../../../support/session-times.ts';
import { House, houseKeys as keys } from '../../../support/virtual-redis/house.ts';

const steps = [-60 * minute, -1, 1, 60 * minute, 3 * 24 * 60 * minute];

describe('for how long an epoch has been open', () => {
  /** What a store tells a session that acquires the call now. */
  const openFor = async (store: RedisStore, call: CallKey): Promise<number> => {
    const held = await store.calls.acquire(call, 'session-1');
    if (held.state !== 'recording') throw new Error(`the call is ${held.state}`);
    return held.openForMs;
  };
  const pair = async (house: House): Promise<readonly [RedisStore, RedisStore]> => {
    const stores = [house.store(), house.store()] as const;
    for (const store of stores)
      expect(await store.sessions.join('session-1', lasting(minute))).toBe('joined');
    return stores;
  };

  test('is known to an instance that did not open it, to some milliseconds', async () => {
    const house = new House();
    const [one, other] = await pair(house);
    house.now += 20 * minute;
    const { call } = await recordingCall(one);
    for (const [waitMs, least] of [
      [0, 0],
      [700, 690],
      [5 * minute, 5 * minute],
    ] as const) {
      house.now += waitMs;
      const openForMs = await openFor(other, call);
      expect(openForMs).toBeLessThanOrEqual(waitMs + (least === 0 ? 0 : 700));
      expect(openForMs).toBeGreaterThanOrEqual(least);
    }
  });

  test.each(steps)('is never told too long after a step of %i ms, whenever it comes', async (byMs) => {
    for (const when of ['before', 'after', 'later'] as const) {
      const house = new House();
      const [one, other] = await pair(house);
      house.now += 2000;
      await other.calls.read(newCall());
      house.now += 3000;
      if (when === 'before') house.skewMs = byMs;
      house.now += 1000;
      const { call } = await recordingCall(one);
      const openedAt = house.now;
      house.now += 1000;
      if (when === 'after') house.skewMs = byMs;
      house.now += 500;
      expect(await openFor(other, call)).toBeLessThanOrEqual(house.now - openedAt);
      if (when === 'later') house.skewMs = byMs;
      house.now += 500;
      for (const store of [one, other])
        expect(await openFor(store, call)).toBeLessThanOrEqual(house.now - openedAt);
    }
  });

  test('is at most the time since an instance that came later has known the call to be open', async () => {
    const house = new House();
    const [one] = await pair(house);
    const { call } = await recordingCall(one);
    house.now += minute;
    house.skewMs = 60 * minute;
    const late = house.store();
    await late.sessions.join('session-1', lasting(minute));
    house.now += 300;
    expect(await openFor(late, call)).toBeLessThanOrEqual(300);
    house.now += 300;
    expect(await openFor(late, call)).toBeGreaterThanOrEqual(590);
  });

  test('is not known where a build opened it that does not note it', async () => {
    const house = new House();
    const [one, other] = await pair(house);
    const { call } = await recordingCall(one);
    house.server.command('hdel', keys.call(call).call, 'opened');
    house.now += minute;
    expect(await openFor(other, call)).toBe(0);
    house.server.command('hset', keys.call(call).call, 'opened', '1 0.000');
    expect(await openFor(other, call)).toBe(0);
  });
});
