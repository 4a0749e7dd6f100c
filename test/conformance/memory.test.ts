import { expect, test } from '@jest/globals';
import { memoryStore } from '../../src/store/memory.ts';
import { describeStore } from './store-suite.ts';
import { minute, move, newCall } from './store-fixtures.ts';
import { lasting } from '../support/session-times.ts';

describeStore('memory', () => {
  const store = memoryStore();
  return Promise.resolve({ store, peer: store, close: () => store.close() });
});

test('a store in memory goes by the clock it is given, whatever the time of day', async () => {
  let now = 1_000_000;
  let date = Date.UTC(2026, 0, 31, 12);
  const store = memoryStore({ clock: () => now, wallClock: () => date, livedMs: 5 });
  const [kept, forgotten] = [newCall(), newCall()];
  await move(store, kept, 'idle', { retentionMs: 1000 });
  await move(store, forgotten, 'idle', { retentionMs: 1000 });
  await move(store, kept, 'starting');
  await store.sessions.join('session-1', lasting(1000));

  now += 999;
  date += 3 * 24 * 60 * minute;
  expect(await store.calls.sweep(10)).toBe(0);
  expect(await store.calls.idle(minute, 10)).toEqual([]);
  now += 1;
  expect(await store.calls.read(kept)).toMatchObject({ now, clock: date, livedMs: 1005 });
  expect(await store.calls.sweep(10)).toBe(1);
  expect(await store.calls.read(forgotten)).toMatchObject({ state: null, version: 0 });
  expect((await store.calls.read(kept)).state?.state).toBe('starting');
  const beat = await store.sessions.revoke('session-1', { call: kept, epoch: 1 });
  now += 100 * minute;
  expect(await store.sessions.revoke('session-1', { call: kept, epoch: 1 })).toBe(beat);
  await store.calls.sweep(10);
  expect(await store.sessions.revoke('session-1', { call: kept, epoch: 1 })).toBe('missing');
});

test('a store in memory tells silence to the millisecond, and forgets what has expired', async () => {
  let now = 1_000_000;
  const store = memoryStore({ clock: () => now });
  const [kept, expired] = [newCall(), newCall()];
  await move(store, expired, 'idle', { retentionMs: 1000 });
  now += 1;
  await move(store, kept, 'starting');

  now += 999;
  expect(await store.calls.idle(1000, 10)).toEqual([expired]);
  now += 1;
  expect(await store.calls.idle(1000, 10)).toEqual([expired, kept]);
  expect(await store.calls.sweep(0)).toBe(0);
  expect(await store.calls.sweep(10)).toBe(1);
  expect(await store.calls.idle(0, 10)).toEqual([kept]);
});

test('a store in memory may be told by a date since when it has had no data', async () => {
  const date = Date.UTC(2026, 0, 31, 12);
  const livedSince = async (bornAt: number | undefined): Promise<number> => {
    const options = bornAt === undefined ? {} : { bornAt };
    const store = memoryStore({ clock: () => 1000, wallClock: () => date, ...options });
    return (await store.calls.read(newCall())).livedMs;
  };
  expect(await livedSince(date - minute)).toBe(minute);
  for (const uncertain of [undefined, date, date + minute, NaN]) expect(await livedSince(uncertain)).toBe(0);
});
