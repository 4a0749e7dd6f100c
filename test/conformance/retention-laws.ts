import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { type Fixture, minute, move, newCall, tally } from './store-fixtures.ts';

/** What every store must forget in time, and what it must not. */
export function describeRetention(stores: () => Fixture): void {
  describe('retention', () => {
    let store: Store;
    let peer: Store;
    beforeEach(() => {
      ({ store, peer } = stores());
    });

    test('a call is forgotten once its retention is over, with its holders and tallies, and not before', async () => {
      const [short, long, kept] = [newCall(), newCall(), newCall()];
      const id = randomUUID();
      await store.sessions.join(id, lasting(minute));
      await move(store, short, 'recording');
      await store.calls.acquire(short, id);
      await store.calls.leave(short, { session: 'another', epoch: 1 }, tally());
      await move(store, short, 'idle', { retentionMs: 20 });
      await move(store, long, 'idle', { retentionMs: minute });
      await move(store, kept, 'recording');
      await eventually(async () => (await peer.calls.sweep(10)) === 1);
      expect(await store.calls.sweep(10)).toBe(0);
      expect(await store.calls.read(short)).toMatchObject({
        state: null,
        version: 0,
        holders: [],
        tallies: [],
      });
      expect((await store.calls.read(long)).state?.state).toBe('idle');
      expect((await store.calls.read(kept)).state?.state).toBe('recording');
      expect((await store.calls.census()).recording).toBe(1);
    });

    test('a call that changes again is kept, and no more are forgotten at a time than are asked for', async () => {
      const calls = Array.from({ length: 5 }, newCall);
      for (const call of calls) await move(store, call, 'ended', { retentionMs: 10 });
      await move(store, calls[0]!, 'recording');
      let swept = 0;
      await eventually(async () => {
        const now = await store.calls.sweep(1);
        expect(now).toBeLessThanOrEqual(1);
        swept += now;
        return swept === 4;
      });
      expect(await store.calls.sweep(10)).toBe(0);
      expect((await store.calls.read(calls[0]!)).state?.state).toBe('recording');
    });
  });
}
