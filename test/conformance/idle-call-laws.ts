import { describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../src/core/call/key.ts';
import { stateNames } from '../../src/core/call/state.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { shardOf } from '../../src/store/redis/keys.ts';
import { eventually } from '../support/eventually.ts';
import { commitOn, type Fixture, minute, move, newCall } from './store-fixtures.ts';

const probe = newCall();
const clockOf = async (store: Store): Promise<number> => (await store.calls.read(probe)).now;

/** Waits until what was heard before and after can be told apart, also where the parts of a store are asked at different moments. */
async function later(store: Store): Promise<void> {
  const now = await clockOf(store);
  await eventually(async () => (await clockOf(store)) > now + 20);
}

const newCalls = (count: number): CallKey[] => Array.from({ length: count }, newCall);

/** Calls that a store which divides its calls keeps in one part. */
function neighbours(count: number): CallKey[] {
  const [first] = newCalls(1) as [CallKey];
  const found = [first];
  while (found.length < count) {
    const call = newCall();
    if (shardOf(call) === shardOf(first)) found.push(call);
  }
  return found;
}

/** Commits the calls one after the other, each at a later time than the one before. */
async function inTurn(store: Store, calls: readonly CallKey[]): Promise<void> {
  for (const call of calls) {
    await move(store, call, 'starting');
    await later(store);
  }
}

/** What every store must tell of calls of which nothing is heard. */
export function describeIdleCalls(stores: () => Fixture): void {
  describe('silence', () => {
    const all = (): Promise<readonly CallKey[]> => stores().peer.calls.idle(0, 10_000);

    test.each(stateNames)(
      'is measured from the commit of a call as %s, unless that is its end',
      async (state) => {
        const { store } = stores();
        const [unknown, known] = newCalls(2) as [CallKey, CallKey];
        await move(store, known, 'starting');
        expect(await all()).toEqual([known]);
        await move(store, known, state);
        await move(store, unknown, state);
        expect([...(await all())].sort()).toEqual(state === 'ended' ? [] : [known, unknown].sort());
      },
    );

    test('lasts until the next commit or until something is heard, and begins anew', async () => {
      const { store, peer } = stores();
      const [first, second, third] = neighbours(3) as [CallKey, CallKey, CallKey];
      await inTurn(store, [first, second, third]);
      expect(await all()).toEqual([first, second, third]);
      await move(store, first, 'recording');
      await later(store);
      expect(await all()).toEqual([second, third, first]);
      await peer.calls.touch([second]);
      expect(await all()).toEqual([third, first, second]);
    });

    test('of one part of the calls is told in order and within the limit, too', async () => {
      const { store } = stores();
      const [first, second, third] = neighbours(3) as [CallKey, CallKey, CallKey];
      await inTurn(store, [first, second, third]);
      expect(await store.calls.idle(0, 2)).toEqual([first, second]);
      await store.calls.touch([first, third]);
      expect(await store.calls.idle(0, 1)).toEqual([second]);
    });

    test('of many calls is told longest first, at most as many as are asked for', async () => {
      const { store, peer } = stores();
      const groups = [newCalls(70), newCalls(70), newCalls(70)];
      for (const group of groups) {
        await Promise.all(group.map((call) => move(store, call, 'starting')));
        await later(store);
      }
      const groupOf = (call: CallKey): number => groups.findIndex((group) => group.includes(call));
      const turns = (...order: readonly number[]): number[] =>
        order.flatMap((n) => Array<number>(70).fill(n));

      const listed = await all();
      expect(new Set(listed)).toEqual(new Set(groups.flat()));
      expect(listed.map(groupOf)).toEqual(turns(0, 1, 2));
      expect((await store.calls.idle(0, 100)).map(groupOf)).toEqual(turns(0, 1, 2).slice(0, 100));
      expect((await store.calls.idle(0, 1)).map(groupOf)).toEqual([0]);
      expect(await store.calls.idle(0, 0)).toEqual([]);

      await peer.calls.touch(groups[0]!);
      expect((await all()).map(groupOf)).toEqual(turns(1, 2, 0));
    });

    test('shorter than what is asked for is not told', async () => {
      const { store } = stores();
      const call = newCall();
      const before = await clockOf(store);
      await move(store, call, 'starting');
      expect(await store.calls.idle(minute, 10)).toEqual([]);
      const found = await eventually(async () => {
        const calls = await store.calls.idle(40, 10);
        return calls.length > 0 ? calls : undefined;
      });
      expect(found).toEqual([call]);
      expect((await clockOf(store)) - before).toBeGreaterThanOrEqual(40);
    });

    test('is not known of a call that was never kept or has ended, whatever is heard of it', async () => {
      const { store } = stores();
      const [kept, ended, stranger] = newCalls(3) as [CallKey, CallKey, CallKey];
      await move(store, kept, 'starting');
      await move(store, ended, 'unconfirmed');
      await move(store, ended, 'ended');
      await store.calls.touch([stranger, ended, kept, kept]);
      await move(store, ended, 'ended');
      expect(await all()).toEqual([kept]);
      expect(await store.calls.read(stranger)).toMatchObject({ state: null, version: 0 });
    });

    test('is not broken by hearing of nothing', async () => {
      const { store } = stores();
      const [first, second] = neighbours(2) as [CallKey, CallKey];
      await inTurn(store, [first, second]);
      await store.calls.touch([]);
      expect(await all()).toEqual([first, second]);
    });

    test('is not broken by a commit that is repeated or refused', async () => {
      const { store, peer } = stores();
      const [first, second, ended] = neighbours(3) as [CallKey, CallKey, CallKey];
      const early = await move(store, first, 'starting');
      const commit = await move(store, first, 'recording');
      await later(store);
      const end = await move(store, ended, 'starting');
      await move(store, ended, 'ended');
      await move(store, second, 'starting');
      await later(store);
      expect(await peer.calls.commit(commit)).toBe(true);
      expect(await peer.calls.commit(early)).toBe(false);
      expect(await peer.calls.commit(commitOn(await store.calls.read(second), first, 'ended'))).toBe(false);
      expect(await peer.calls.commit(end)).toBe(false);
      expect(await all()).toEqual([first, second]);
    });

    test('is not known of a call that was forgotten, until it comes back', async () => {
      const { store, peer } = stores();
      const [call, kept] = newCalls(2) as [CallKey, CallKey];
      await move(store, call, 'idle', { retentionMs: 20 });
      await move(store, kept, 'idle', { retentionMs: minute });
      await later(store);
      expect(await all()).toEqual([call, kept]);
      await eventually(async () => (await peer.calls.sweep(10)) === 1);
      await peer.calls.touch([call]);
      expect(await all()).toEqual([kept]);
      await move(store, call, 'starting');
      expect(await all()).toEqual([kept, call]);
    });

    test('is not measured of a call that is nobody’s, unless something of it is open', async () => {
      const { store } = stores();
      const [idle, starting] = newCalls(2) as [CallKey, CallKey];
      for (const call of [idle, starting]) {
        const commit = commitOn(await store.calls.read(call), call, call === idle ? 'idle' : 'starting');
        await store.calls.commit({ ...commit, state: { ...commit.state, binding: null } });
      }
      expect(await all()).toEqual([starting]);
    });
  });
}
