import { expect, test } from '@jest/globals';
import { memoryStore } from '../../src/store/memory.ts';
import { describeStore } from './store-suite.ts';
import { minute, move, newCall } from './store-fixtures.ts';
import { lasting } from '../support/session-times.ts';

describeStore('memory', () => {
  const store = memoryStore();
  return Promise.resolve({ store, peer: store, close: () => store.close() });
});

test('a store in memory goes by the clock it is given', async () => {
  let now = 1_000_000;
  const store = memoryStore({ clock: () => now, bornAt: 5 });
  const [kept, forgotten] = [newCall(), newCall()];
  await move(store, kept, 'idle', { retentionMs: 1000 });
  await move(store, forgotten, 'idle', { retentionMs: 1000 });
  await move(store, kept, 'starting');
  await store.sessions.join('session-1', lasting(1000));

  now += 999;
  expect((await store.calls.read(forgotten)).state?.state).toBe('idle');
  expect(await store.sessions.revoke('session-1', { call: kept, epoch: 1 })).toBe(true);
  now += 1;
  expect(await store.calls.read(forgotten)).toMatchObject({ state: null, version: 0, now, bornAt: 5 });
  expect((await store.calls.read(kept)).state?.state).toBe('starting');
  expect(await store.sessions.heartbeat('session-1', [])).toBe('lost');
});

test('a store in memory tells silence to the millisecond, and in time forgets what has expired', async () => {
  let now = 1_000_000;
  const store = memoryStore({ clock: () => now });
  const [kept, expired] = [newCall(), newCall()];
  await move(store, expired, 'idle', { retentionMs: 1000 });
  now += 1;
  await move(store, kept, 'starting');

  now += 999;
  expect(await store.calls.silent(1000, 10)).toEqual([expired]);
  now += 1;
  expect(await store.calls.silent(1000, 10)).toEqual([expired, kept]);
  now += minute;
  await move(store, newCall(), 'ended');
  expect(await store.calls.silent(0, 10)).toEqual([kept]);
});
