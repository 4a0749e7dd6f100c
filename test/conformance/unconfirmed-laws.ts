import { describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { type Fixture, move, newCall } from './store-fixtures.ts';

/** What every store must tell of stops that are not confirmed. */
export function describeUnconfirmed(stores: () => Fixture): void {
  describe('the oldest stop that is not confirmed', () => {
    const age = (): Promise<number | undefined> => stores().peer.calls.oldestStop();
    const olderThan = (ms: number): Promise<unknown> =>
      eventually(async () => {
        // On Redis its time grows only where somebody has measured it.
        await stores().store.calls.sweep(1);
        return ((await age()) ?? -1) > ms;
      });

    test('is none while calls only begin, are recorded, or have ended', async () => {
      const { store } = stores();
      expect(await age()).toBeUndefined();
      for (const state of ['idle', 'starting', 'recording', 'pausing', 'paused', 'ended'] as const) {
        await move(store, newCall(), state);
        expect([state, await age()]).toEqual([state, undefined]);
      }
    });

    test('grows from the moment at which the stop was stored, whatever else is stored of the call', async () => {
      const { store, peer } = stores();
      const call = newCall();
      await move(store, call, 'recording');
      await move(store, call, 'stopping');
      await olderThan(60);
      await move(peer, call, 'stopping');
      await move(peer, call, 'unconfirmed');
      expect(await age()).toBeGreaterThan(60);
      await store.calls.touch([call]);
      expect(await age()).toBeGreaterThan(60);
      await move(store, call, 'idle');
      expect(await age()).toBeUndefined();
    });

    test('is the oldest of several, until it is confirmed; the next stop of its call begins anew', async () => {
      const { store, peer } = stores();
      const [first, second] = [newCall(), newCall()];
      await move(store, first, 'stopping');
      await olderThan(80);
      await move(peer, second, 'stopping');
      expect(await age()).toBeGreaterThan(80);
      await move(peer, first, 'unconfirmed');
      await move(peer, first, 'ended');
      const ofSecond = (await age()) ?? -1;
      expect(ofSecond).toBeGreaterThanOrEqual(0);
      await move(store, second, 'idle');
      await move(store, second, 'recording');
      expect(await age()).toBeUndefined();
      await move(store, second, 'stopping');
      expect(await age()).toBeGreaterThanOrEqual(0);
    });
  });
}
