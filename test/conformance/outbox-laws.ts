import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { OutboxEntry, Reporter } from '../../src/core/ports/outbox.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { recordsOf, refusedWrites } from '../support/evidence/history.ts';
import { lasting } from '../support/session-times.ts';
import { type Fixture, minute, move, newCall } from './store-fixtures.ts';

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
        expect(recordsOf(drained).filter((record) => record.call === call)).toEqual(written.get(call));
      expect(drained).toHaveLength(20);
      expect(await store.outbox.depth()).toBe(0);
    });

    test('gives no more than it is asked for, and the same again until that is removed', async () => {
      const call = newCall();
      for (const state of ['starting', 'recording', 'stopping'] as const) await move(store, call, state);
      const two = await store.outbox.pending(2);
      expect(recordsOf(two).map(({ seq }) => seq)).toEqual([1, 2]);
      expect(await store.outbox.pending(2)).toEqual(two);
      await store.outbox.remove(two);
      await store.outbox.remove(two);
      expect(recordsOf(await store.outbox.pending(2)).map(({ seq }) => seq)).toEqual([3]);
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

    test('goes to another sink once who asks for it names the one before', async () => {
      const { outbox } = store;
      await outbox.claimSink('file:///a');
      const before = await outbox.claimSink('file:///a');
      expect(await outbox.claimSink('file:///b', 'file:///x')).toBe(before);
      expect(await outbox.claimSink('file:///b', before)).toBe('file:///b');
      expect(await peer.outbox.claimSink('file:///a', before)).toBe('file:///b');
      expect(await outbox.claimSink('file:///b', before)).toBe('file:///b');
    });

    test('tells what waits longest, for how long, and about how much waits', async () => {
      await drain(store, 100);
      expect(await store.outbox.backlog()).toEqual({ oldest: null, bytes: 0 });
      const [first, second] = [newCall(), newCall()];
      await move(store, first, 'starting');
      const one = await peer.outbox.backlog();
      for (const state of ['starting', 'recording', 'stopping'] as const) await move(store, second, state);
      const all = await store.outbox.backlog();
      expect(all.oldest?.id).toBe(one.oldest?.id);
      expect(all.oldest!.ageMs).toBeGreaterThanOrEqual(one.oldest!.ageMs);
      expect(all.bytes).toBeGreaterThan(2 * one.bytes);
      await store.outbox.remove(
        (await store.outbox.pending(10)).filter(({ record }) => record?.call === first),
      );
      expect((await store.outbox.backlog()).oldest?.id).not.toBe(one.oldest?.id);
    });

    test('takes each line of a report once, and knows who reports until it leaves', async () => {
      await drain(store, 100);
      const instance = newCall();
      const line = (number: number) => refusedWrites({ instance, number });
      const told = async (outbox: typeof store.outbox, beat: number, numbers: number[], last = false) => {
        const from = { instance, beat };
        return outbox.report({ from, lines: numbers.map(line), gone: [], last });
      };
      const seen = async () => (await look()).find((reporter) => reporter.instance === instance);
      const other = newCall();
      const look = async (gone: readonly Reporter[] = []) =>
        (await peer.outbox.report({ from: { instance: other, beat: 1 }, lines: [], gone, last: false }))
          .others;

      const { now, others } = await told(store.outbox, 1, []);
      expect(now).toBeGreaterThan(0);
      expect(others.some((reporter) => reporter.instance === instance)).toBe(false);
      expect(await seen()).toEqual({ instance, beat: 1, number: 0 });
      await told(store.outbox, 2, [1, 2]);
      await told(peer.outbox, 3, [1, 2, 3]);
      const waiting = (await drain(store, 2)).map((entry) => entry.refusedWrites);
      expect(waiting).toEqual([line(1), line(2), line(3)]);
      const found = await seen();
      expect(found).toEqual({ instance, beat: 3, number: 3 });

      await told(store.outbox, 4, []);
      await look([found!]);
      expect(await seen()).toEqual({ instance, beat: 4, number: 3 });
      await look([{ instance, beat: 4, number: 3 }]);
      expect(await seen()).toBeUndefined();
      await told(store.outbox, 5, []);
      await told(store.outbox, 6, [], true);
      expect(await seen()).toBeUndefined();
    });
  });
}
