import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { emptyRoster } from '../../src/core/call/roster.ts';
import { noFacts } from '../../src/core/call/state.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { lasting } from '../support/session-times.ts';
import { describeActivity } from './activity-laws.ts';
import { describeAnnouncements } from './announcement-laws.ts';
import { describeFirstGrants } from './first-grant-laws.ts';
import { describeOpened } from './opened-laws.ts';
import { describeOutbox } from './outbox-laws.ts';
import { describeRetention } from './retention-laws.ts';
import { describeHolds } from './hold-laws.ts';
import { describeSessions } from './session-laws.ts';
import { describeSilence } from './silence-laws.ts';
import { commitOn, type Fixture, minute, move, newCall, recordingCall, tally } from './store-fixtures.ts';

const session = (): string => `session-${randomUUID()}`;

/** What every store must do, whatever it is made of. */
export function describeStore(name: string, make: () => Promise<Fixture>): void {
  describe(`the store on ${name}`, () => {
    let fixture: Fixture;
    let store: Store;
    let peer: Store;
    beforeEach(async () => {
      fixture = await make();
      ({ store, peer } = fixture);
    });
    afterEach(() => fixture.close());

    describe('the state of a call', () => {
      test('is counted, unless it is one that is forgotten in time', async () => {
        const before = await store.calls.census();
        const [first, second] = [newCall(), newCall()];
        await move(store, first, 'starting');
        await move(store, first, 'recording');
        await move(peer, second, 'recording');
        await move(store, second, 'recording');
        await move(store, newCall(), 'idle');
        const after = await peer.calls.census();
        expect(after.recording).toBe((before.recording ?? 0) + 2);
        expect(after.starting).toBe(before.starting);
        await move(store, first, 'stopping');
        await move(store, first, 'unconfirmed');
        await move(store, first, 'idle');
        expect((await store.calls.census()).recording).toBe((before.recording ?? 0) + 1);
        expect(Object.keys(after).sort()).toEqual([
          ...['paused', 'pausing', 'recording', 'starting', 'stopping', 'unconfirmed'],
        ]);
      });

      test('is unknown at first, with version 0, nobody holding it and the store clock', async () => {
        const view = await store.calls.read(newCall());
        expect(view).toMatchObject({ state: null, version: 0, holders: [], tallies: [] });
        expect(Math.abs(view.now - Date.now())).toBeLessThan(minute);
        expect(Math.abs(view.clock - Date.now())).toBeLessThan(minute);
        expect(view.livedMs).toBeGreaterThanOrEqual(0);
        expect(view.isOfThisLife).toBe(true);
      });

      test('is read back by every instance as it was committed', async () => {
        const call = newCall();
        const commit = await move(store, call, 'starting');
        const view = await peer.calls.read(call);
        expect(view.state).toEqual(commit.state);
        expect(view.version).toBeGreaterThan(0);
      });

      test('is not changed by a commit that was computed from another version', async () => {
        const call = newCall();
        const first = await store.calls.read(call);
        await move(store, call, 'starting');
        const between = await store.calls.read(call);
        await move(peer, call, 'recording');
        expect(await store.calls.commit(commitOn(first, call, 'ended'))).toBe(false);
        expect(await store.calls.commit(commitOn(between, call, 'ended'))).toBe(false);
        expect((await store.calls.read(call)).state?.state).toBe('recording');
        expect(await store.outbox.depth()).toBe(2);
      });

      test('of a call that the store does not know is not changed by a commit that expects one', async () => {
        const call = newCall();
        const view = await store.calls.read(call);
        expect(await store.calls.commit(commitOn({ ...view, version: view.now }, call, 'ended'))).toBe(false);
        expect((await store.calls.read(call)).state).toBeNull();
      });

      test('goes to exactly one of several commits that race', async () => {
        const call = newCall();
        const view = await store.calls.read(call);
        const racers = [store, peer, store, peer].map((one) =>
          one.calls.commit(commitOn(view, call, 'starting')),
        );
        expect((await Promise.all(racers)).filter(Boolean)).toHaveLength(1);
        expect(await store.outbox.depth()).toBe(1);
      });

      test('gets a new version with every commit, greater than any before', async () => {
        const call = newCall();
        const versions: number[] = [];
        for (const state of ['starting', 'recording', 'recording', 'stopping'] as const) {
          await move(store, call, state);
          versions.push((await store.calls.read(call)).version);
        }
        expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      });

      test('keeps what was told of it, with a roster that is known only in part', async () => {
        const call = newCall();
        const commit = commitOn(await store.calls.read(call), call, 'starting');
        const told = { ...noFacts, roster: { ...emptyRoster, partial: true as const } };
        expect(await store.calls.commit({ ...commit, state: { ...commit.state, notified: told } })).toBe(
          true,
        );
        expect((await peer.calls.read(call)).state?.notified).toEqual(told);
      });

      test('does not notice that the same operation is committed twice', async () => {
        const call = newCall();
        const commit = commitOn(await store.calls.read(call), call, 'starting');
        expect(await store.calls.commit(commit)).toBe(true);
        const once = await store.calls.read(call);
        expect(await store.calls.commit(commit)).toBe(true);
        expect(await store.calls.read(call)).toMatchObject({ state: once.state, version: once.version });
        expect(await store.outbox.depth()).toBe(1);
      });

      test('is not put back by an operation that is repeated after a later one', async () => {
        const call = newCall();
        const commit = await move(store, call, 'starting');
        await move(store, call, 'recording');
        expect(await store.calls.commit(commit)).toBe(false);
        expect((await store.calls.read(call)).state?.state).toBe('recording');
      });

      test('is forgotten after its retention, with its tallies', async () => {
        const { call, epoch } = await recordingCall(store);
        await move(store, call, 'idle', { retentionMs: 100 });
        await store.calls.leave(call, { session: 'session-1', epoch }, tally());
        await eventually(async () => (await peer.calls.sweep(10)) === 1);
        expect(await store.calls.read(call)).toMatchObject({
          state: null,
          version: 0,
          holders: [],
          tallies: [],
        });
        // The tallies are gone as well, they are not just hidden.
        await move(store, call, 'starting');
        expect((await store.calls.read(call)).tallies).toEqual([]);
      });
    });

    describeSilence(() => fixture);

    describeOpened(() => fixture);

    describe('holders', () => {
      const times = { ttlMs: minute, graphTimeoutMs: 1000 };
      beforeEach(async () => {
        for (const id of ['session-1', 'session-2']) await store.sessions.join(id, lasting(minute));
      });
      test('are those of sessions that joined, since others have to know for how long to wait for them', async () => {
        const { call } = await recordingCall(store);
        const fault: unknown = await store.calls.acquire(call, 'stranger').catch((error: unknown) => error);
        expect(fault).toBeFault('StoreUnavailable');
        expect((await store.calls.read(call)).holders).toEqual([]);
      });

      test('are shown with the times of their own session', async () => {
        const { call, epoch } = await recordingCall(store);
        await store.sessions.join('slow', { ...lasting(7000), graphTimeoutMs: 4321 });
        await store.calls.acquire(call, 'slow');
        const slow = { session: 'slow', epoch, ttlMs: 7000, graphTimeoutMs: 4321 };
        expect((await peer.calls.read(call)).holders).toEqual([slow]);
      });

      test('are added while the call is recording, with its epoch and binding; twice changes nothing', async () => {
        const { call, epoch } = await recordingCall(store);
        const binding = { tenant: 'tenant-1', app: 'app-1' };
        const openForMs: unknown = expect.any(Number);
        const held = { state: 'recording', epoch, binding, openForMs };
        expect(await store.calls.acquire(call, 'session-1')).toEqual(held);
        expect(await store.calls.acquire(call, 'session-1')).toEqual(held);
        expect((await peer.calls.read(call)).holders).toEqual([{ session: 'session-1', epoch, ...times }]);
      });

      test.each(['idle', 'starting', 'stopping', 'unconfirmed', 'ended'] as const)(
        'cannot appear while the call is %s',
        async (state) => {
          const { call } = await recordingCall(store);
          await move(store, call, state);
          expect(await store.calls.acquire(call, 'session-1')).toEqual({ state });
          expect((await store.calls.read(call)).holders).toEqual([]);
        },
      );

      test('cannot appear on a call that nobody knows', async () => {
        const call = newCall();
        expect(await store.calls.acquire(call, 'session-1')).toEqual({ state: 'idle' });
        expect(await store.calls.read(call)).toMatchObject({ state: null, holders: [] });
      });

      test('of a call without a binding get none', async () => {
        const call = newCall();
        const commit = commitOn(await store.calls.read(call), call, 'recording');
        await store.calls.commit({ ...commit, state: { ...commit.state, binding: null } });
        expect(await store.calls.acquire(call, 'session-1')).toMatchObject({ binding: null });
      });

      test('outlive a change of state: a stop sees them', async () => {
        const { call, epoch } = await recordingCall(store);
        await store.calls.acquire(call, 'session-1');
        await move(peer, call, 'stopping');
        expect((await peer.calls.read(call)).holders).toEqual([{ session: 'session-1', epoch, ...times }]);
      });

      test('leave with their totals; reporting twice changes nothing', async () => {
        const { call, epoch } = await recordingCall(store);
        await store.calls.acquire(call, 'session-1');
        await store.calls.acquire(call, 'session-2');
        const report = tally({ left: 'cut', drainMs: null });
        for (let time = 0; time < 2; time += 1) {
          await store.calls.leave(call, { session: 'session-1', epoch }, report);
          const view = await peer.calls.read(call);
          expect(view.holders).toEqual([{ session: 'session-2', epoch, ...times }]);
          expect(view.tallies).toEqual([{ session: 'session-1', epoch, ...report }]);
        }
      });

      test('are not removed by a late report of an earlier epoch', async () => {
        const { call, epoch } = await recordingCall(store);
        await store.calls.acquire(call, 'session-1');
        await store.calls.leave(call, { session: 'session-1', epoch: epoch - 1 }, tally());
        const view = await store.calls.read(call);
        expect(view.holders).toEqual([{ session: 'session-1', epoch, ...times }]);
        expect(view.tallies).toEqual([{ session: 'session-1', epoch: epoch - 1, ...tally() }]);
      });

      test.each(['lost' as const, 'unused' as const])(
        'of which nothing is known (%s) keep what they reported themselves, in either order',
        async (left) => {
          const { call, epoch } = await recordingCall(store);
          const lost = tally({ admitted: 0, aborted: 0, refused: 0, bytes: 0, left, drainMs: null });
          const early = { session: 'reports first', epoch };
          await store.calls.leave(call, early, tally());
          await store.calls.leave(call, early, lost);
          const late = { session: 'reports late', epoch };
          await store.calls.leave(call, late, lost);
          expect((await store.calls.read(call)).tallies).toContainEqual({ ...late, ...lost });
          await store.calls.leave(call, late, tally());
          const { tallies } = await store.calls.read(call);
          expect(tallies).toHaveLength(2);
          expect(tallies).toEqual(
            expect.arrayContaining([
              { ...early, ...tally() },
              { ...late, ...tally() },
            ]),
          );
        },
      );

      test('that report on a call nobody knows leave no trace', async () => {
        const call = newCall();
        await store.calls.leave(call, { session: 'session-1', epoch: 1 }, tally());
        await move(store, call, 'starting');
        expect((await store.calls.read(call)).tallies).toEqual([]);
      });
    });

    test('tallies stay until a commit carries them, and go in the same step', async () => {
      const { call, epoch } = await recordingCall(store);
      await store.calls.leave(call, { session: 'session-1', epoch }, tally());
      await move(store, call, 'stopping');
      const view = await store.calls.read(call);
      expect(view.tallies).toHaveLength(1);
      const drained = commitOn(view, call, 'unconfirmed', { dropTallies: true });
      expect(await store.calls.commit({ ...drained, version: view.version - 1 })).toBe(false);
      expect((await store.calls.read(call)).tallies).toHaveLength(1);
      expect(await store.calls.commit(drained)).toBe(true);
      expect((await store.calls.read(call)).tallies).toEqual([]);
    });

    test('the life of the data is told alike for every call and lasts', async () => {
      await store.sessions.join(session(), lasting(minute));
      const call = newCall();
      const { life, livedMs } = await store.calls.read(call);
      await move(store, call, 'starting');
      await peer.sessions.join(session(), lasting(minute));
      expect(await peer.calls.read(call)).toMatchObject({ life, isOfThisLife: true });
      const older = await eventually(async () => {
        const view = await store.calls.read(call);
        return view.livedMs > livedMs ? view : undefined;
      });
      expect(older.life).toBe(life);
    });

    test('a change that was computed in another life is not taken', async () => {
      const call = newCall();
      const view = await move(store, call, 'starting').then(() => store.calls.read(call));
      expect(await store.calls.commit({ ...commitOn(view, call, 'recording'), life: 'another' })).toBe(false);
      expect((await store.calls.read(call)).state?.state).toBe('starting');
    });

    test('protocol time and watched time never go back', async () => {
      const call = newCall();
      let [now, watched] = [0, 0];
      for (const state of ['starting', 'recording', 'stopping', 'unconfirmed'] as const)
        for (const one of [store, peer]) {
          await move(one, call, state);
          const view = await one.calls.read(call);
          expect(view.now).toBeGreaterThanOrEqual(now);
          expect(view.watched).toBeGreaterThanOrEqual(watched);
          ({ now, watched } = view);
        }
    });

    describeRetention(() => fixture);

    describeSessions(() => fixture);

    describeHolds(() => fixture);

    describeFirstGrants(() => fixture);

    describeAnnouncements(() => fixture);
    describeActivity(() => fixture);

    describeOutbox(() => fixture);

    test('a store that is closed answers nothing any more', async () => {
      await store.ping();
      await store.close();
      await store.close();
      const fault = await store.ping().catch((error: unknown) => error);
      expect(fault).toBeFault('StoreUnavailable');
    });
  });
}
