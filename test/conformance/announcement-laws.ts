import { describe, expect, test } from '@jest/globals';
import type { AnnouncedStop } from '../../src/core/ports/session-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { eventually } from '../support/eventually.ts';
import { type Fixture, newCall, recordingCall } from './store-fixtures.ts';

/** What a store tells of announced stops from now on. */
export async function heardBy(store: Store): Promise<AnnouncedStop[]> {
  const heard: AnnouncedStop[] = [];
  await store.sessions.onStop((stop) => heard.push(stop));
  return heard;
}

/** What every store does with a stop that is announced: it only passes it on (rule R6). */
export function describeAnnouncements(stores: () => Fixture): void {
  describe('a stop that is announced', () => {
    test('reaches every instance that listens, and names its call, its epoch and who has heard it', async () => {
      const { store, peer } = stores();
      const heard = await Promise.all([heardBy(peer), heardBy(peer), heardBy(store)]);
      const stops = [
        { call: newCall(), epoch: 1_769_860_800_000, from: 'instance-1' },
        { call: newCall(), epoch: null, from: 'instance-1' },
        { call: newCall(), epoch: 0, from: 'instance-2' },
      ];
      for (const stop of stops) await store.sessions.announceStop(stop);
      await eventually(() => heard.every(({ length }) => length === stops.length));
      // In a Cluster they may overtake each other.
      for (const each of heard) expect(each).toEqual(expect.arrayContaining(stops));
    });

    test('changes nothing in the store, and lets nobody in', async () => {
      const { store, peer } = stores();
      const { call } = await recordingCall(store);
      const unknown = newCall();
      const [before, depth] = [await peer.calls.read(call), await peer.outbox.depth()];
      const heard = await heardBy(peer);
      for (const epoch of [null, 0, before.state!.epoch, 999_999_999_999_999])
        for (const each of [call, unknown])
          await store.sessions.announceStop({ call: each, epoch, from: 'instance-1' });
      await eventually(() => heard.length === 8);
      const { state, version, holders } = before;
      expect(await peer.calls.read(call)).toMatchObject({ state, version, holders });
      expect(await peer.calls.read(unknown)).toMatchObject({ state: null, version: 0, holders: [] });
      expect(await peer.outbox.depth()).toBe(depth);
    });

    test('is not heard any more by those who have ceased to listen; others go on', async () => {
      const { store, peer } = stores();
      const [ceased, other]: [AnnouncedStop[], AnnouncedStop[]] = [[], []];
      const cease = await peer.sessions.onStop((stop) => ceased.push(stop));
      await peer.sessions.onStop((stop) => other.push(stop));
      const stop = { call: newCall(), epoch: 1, from: 'instance-1' };
      await store.sessions.announceStop(stop);
      await eventually(() => ceased.length === 1 && other.length === 1);
      cease();
      cease();
      await store.sessions.announceStop(stop);
      await eventually(() => other.length === 2);
      expect(ceased).toHaveLength(1);
    });
  });
}
