import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { OutboxEntry, Store } from '../../src/core/ports.ts';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { minute, move, newCall, type Fixture } from './store-fixtures.ts';

/** Everything that waits, drained in steps of `step`. */
async function drain(store: Store, step = 100): Promise<OutboxEntry[]> {
  const all: OutboxEntry[] = [];
  for (;;) {
    const entries = await store.outbox.pending(step);
    if (entries.length === 0) return all;
    all.push(...entries);
    await store.outbox.remove(entries);
  }
}

/** What every store must do with the evidence that waits. */
export function describeOutbox(stores: () => Fixture): void {
  describe('the outbox', () => {
    let store: Store;
    let peer: Store;
    beforeEach(async () => {
      ({ store, peer } = stores());
      await store.sessions.join(randomUUID(), lasting(minute));
    });

    test('holds the record of every commit, in order per call, until it is removed', async () => {
      const calls = Array.from({ length: 5 }, newCall);
      const written = new Map<string, unknown[]>(calls.map((call) => [call, []]));
      for (const state of ['starting', 'recording', 'stopping', 'unconfirmed'] as const)
        for (const call of calls) written.get(call)?.push((await move(store, call, state)).record);
      expect(await store.outbox.depth()).toBe(20);
      const drained = await drain(store, 3);
      for (const call of calls)
        expect(drained.map(({ record }) => record).filter((record) => record.call === call)).toEqual(
          written.get(call),
        );
      expect(drained).toHaveLength(20);
      expect(await store.outbox.depth()).toBe(0);
    });

    test('gives no more than it is asked for, and the same again until that is removed', async () => {
      const call = newCall();
      for (const state of ['starting', 'recording', 'stopping'] as const) await move(store, call, state);
      const two = await store.outbox.pending(2);
      expect(two.map(({ record }) => record.seq)).toEqual([1, 2]);
      expect(await store.outbox.pending(2)).toEqual(two);
      await store.outbox.remove(two);
      await store.outbox.remove(two);
      expect((await store.outbox.pending(2)).map(({ record }) => record.seq)).toEqual([3]);
    });

    test('shows what other instances commit, also after it was seen empty', async () => {
      expect(await store.outbox.pending(10)).toEqual([]);
      const { record } = await move(peer, newCall(), 'starting');
      const found = await eventually(async () => {
        const entries = await store.outbox.pending(10);
        return entries.length > 0 ? entries : undefined;
      });
      expect(found.map((entry) => entry.record)).toEqual([record]);
    });

    test('is drained by one owner at a time, who may renew and release', async () => {
      expect(await store.outbox.lease('one', minute)).toBe(true);
      expect(await store.outbox.lease('one', minute)).toBe(true);
      expect(await peer.outbox.lease('two', minute)).toBe(false);
      await peer.outbox.release('two');
      expect(await peer.outbox.lease('two', minute)).toBe(false);
      await store.outbox.release('one');
      await store.outbox.release('one');
      expect(await peer.outbox.lease('two', minute)).toBe(true);
      expect(await store.outbox.lease('one', minute)).toBe(false);
    });

    test('is free for another owner once the lease is over', async () => {
      await store.outbox.lease('one', minute);
      await store.outbox.lease('one', 30);
      await eventually(() => peer.outbox.lease('two', minute));
      // Whoever had it has to wait as long as it was given.
      expect(await store.outbox.lease('one', minute)).toBe(false);
    });

    test('goes to the sink that was claimed first', async () => {
      expect(await store.outbox.claimSink('file:///a')).toBe('file:///a');
      expect(await store.outbox.claimSink('file:///a')).toBe('file:///a');
      expect(await peer.outbox.claimSink('file:///b')).toBe('file:///a');
    });
  });
}
