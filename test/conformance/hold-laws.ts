import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { HoldLine } from '../../src/core/call/evidence-lines.ts';
import { type HoldAct, type HoldRegistry, noHolds, withAct } from '../../src/core/call/hold.ts';
import type { HoldCommit, HoldsView } from '../../src/core/ports/hold-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { type Fixture, minute, move, newCall } from './store-fixtures.ts';

const session = (): string => `session-${randomUUID()}`;

const lineOf = (act: HoldAct): HoldLine => ({ ...act, version: 1, instance: 'instance-1' });

const set = ({ registry }: HoldsView, changes: Partial<HoldAct> = {}): HoldAct => ({
  act: 'set',
  id: randomUUID(),
  number: registry.number + 1,
  scope: { all: true },
  reason: 'naïve “quotes”, \n and ünïcode',
  by: { issuer: 'local', subject: 'local' },
  at: '2026-01-31T12:00:00.000Z',
  closedUpTo: null,
  ...changes,
});

const commitOf = (view: HoldsView, act: HoldAct, changes: Partial<HoldCommit> = {}): HoldCommit => ({
  expected: view.registry.number,
  life: view.life,
  registry: withAct(view.registry, act),
  line: lineOf(act),
  operation: randomUUID(),
  ...changes,
});

/** Holds, which one part of the store keeps together with their lines. */
export function describeHolds(fixture: () => Fixture): void {
  let store: Store;
  let peer: Store;
  beforeEach(() => {
    ({ store, peer } = fixture());
  });

  const view = (): Promise<HoldsView> => peer.holds.read(null, null);
  /** Somebody has read the journal. */
  const known = async (registry: HoldRegistry = noHolds): Promise<HoldsView> => {
    const { life, registry: left } = await view();
    const operation = randomUUID();
    await store.holds.commit({ expected: left.number, life, registry, line: null, operation });
    return view();
  };

  describe('holds', () => {
    test('are not known in a new store, and take no line before they are', async () => {
      const fresh = await view();
      expect(fresh).toMatchObject({ registry: noHolds, isKnown: false });
      expect(await store.holds.commit(commitOf(fresh, set(fresh)))).toBeUndefined();
      expect(await known()).toMatchObject({ isKnown: true, life: fresh.life });
      expect(await store.outbox.depth()).toBe(0);
    });

    test('are what was stored last, with their line in the outbox', async () => {
      const before = await known();
      const act = set(before);
      const commit = commitOf(before, act);
      const entry = (await store.holds.commit(commit)) ?? '';
      expect(await view()).toMatchObject({ isKnown: true, registry: commit.registry });
      expect(await peer.holds.isWaiting(entry)).toBe(true);
      const waiting = await eventually(async () => {
        const found = await store.outbox.pending(10);
        return found.length > 0 ? found : undefined;
      });
      expect(waiting).toMatchObject([{ hold: lineOf(act) }]);
      await store.outbox.remove(waiting);
      expect(await peer.holds.isWaiting(entry)).toBe(false);
    });

    test('are changed by the one that was faster, and by one attempt once', async () => {
      const before = await known();
      const [first, second] = [commitOf(before, set(before)), commitOf(before, set(before))];
      const entry = await store.holds.commit(first);
      expect(entry).toEqual(expect.any(String));
      expect(await peer.holds.commit(second)).toBeUndefined();
      expect(await peer.holds.commit(first)).toBe(entry);
      expect(await store.outbox.depth()).toBe(1);
      expect((await view()).registry).toEqual(first.registry);
    });

    test('of another life are not changed', async () => {
      const before = await known();
      expect(await store.holds.commit(commitOf(before, set(before), { life: 'another' }))).toBeUndefined();
      expect((await view()).registry).toEqual(noHolds);
    });

    test('are acknowledged by each session, for its life, and by nobody who has left', async () => {
      const { life } = await known();
      const [one, two] = [session(), session()];
      await store.sessions.join(one, lasting(minute));
      await peer.sessions.join(two, lasting(2 * minute));
      const behind = async (number: number): Promise<string[]> =>
        (await store.holds.behind({ life, number })).map((member) => member.session).sort();
      expect(await behind(1)).toEqual([one, two].sort());
      await store.holds.read(one, { life, number: 1 });
      await peer.holds.read(two, { life: 'another', number: 9 });
      expect(await store.holds.behind({ life, number: 1 })).toEqual([{ session: two, ttlMs: 2 * minute }]);
      expect(await behind(2)).toEqual([one, two].sort());
      await peer.holds.read(two, { life, number: 3 });
      expect(await behind(2)).toEqual([one]);
      await store.sessions.quit(one);
      expect(await behind(9)).toEqual([two]);
      await store.sessions.join(one, lasting(minute));
      expect(await behind(1)).toEqual([one]);
    });

    test('that close up to an epoch: none given out before is above it, and all later ones are', async () => {
      const before = await known();
      const call = newCall();
      const first = await move(store, call, 'starting');
      const closedUpTo = await peer.holds.newestTime();
      expect(closedUpTo).toBeGreaterThanOrEqual(first.state.epoch);
      const id = randomUUID();
      await store.holds.commit(commitOf(before, set(before, { id })));
      const held = await view();
      await store.holds.commit(commitOf(held, set(held, { id, act: 'released', closedUpTo })));
      expect((await store.holds.read(null, null)).registry.closed).toEqual([
        { scope: { all: true }, epoch: closedUpTo },
      ]);
      for (const later of [call, newCall()])
        expect((await move(store, later, 'starting')).state.epoch).toBeGreaterThan(closedUpTo);
    });

    test('that change are told to whoever listens, until that stops', async () => {
      let told = 0;
      const stop = await peer.holds.onChange(() => (told += 1));
      await known();
      await eventually(() => told > 0);
      stop();
      stop();
    });
  });
}
