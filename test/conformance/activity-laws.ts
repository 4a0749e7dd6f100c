import { describe, expect, test } from '@jest/globals';
import type { ActivityBatch } from '../../src/core/ports/activity.ts';
import { eventually } from '../support/eventually.ts';
import { type Fixture, newCall } from './store-fixtures.ts';

/** What every store does with live activity: it only passes it on. */
export function describeActivity(stores: () => Fixture): void {
  describe('live activity', () => {
    test('is asked for from every instance, and reaches everybody who listens', async () => {
      const { store, peer } = stores();
      let asked = 0;
      const stops = await Promise.all([
        store.activity.onWatch(() => (asked += 1)),
        peer.activity.onWatch(() => (asked += 1)),
      ]);
      await peer.activity.watch();
      await eventually(() => asked === 2);
      for (const stop of stops) stop();

      const heard: ActivityBatch[][] = [[], []];
      await store.activity.onActivity((batch) => heard[0]?.push(batch));
      const leave = await peer.activity.onActivity((batch) => heard[1]?.push(batch));
      const moved = { call: newCall(), writes: 2, bytes: 640, refused: 1 };
      const batch: ActivityBatch = {
        instance: 'instance-1',
        calls: [
          { ...moved, lastRefusal: 'RecordingNotActive', total: { epoch: 7, writes: 3, bytes: 960 } },
          { ...moved, lastRefusal: null, total: null },
        ],
      };
      const depth = await peer.outbox.depth();
      await store.activity.publish(batch);
      await eventually(() => heard.every(({ length }) => length === 1));
      expect(heard).toEqual([[batch], [batch]]);
      expect(await peer.outbox.depth()).toBe(depth);
      leave();
      await store.activity.publish(batch);
      await eventually(() => heard[0]?.length === 2);
      expect(heard[1]).toHaveLength(1);
    });
  });
}
