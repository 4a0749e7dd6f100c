import { describe, expect, test } from '@jest/globals';
import type { StopReason } from '../../../src/core/http/write-guard.ts';
import { inWorld } from '../../support/gate.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };

describe('a write that would go on for ever', () => {
  test('is told of the stop at once, once, and the stop waits for its end', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const held = await world.admitted(1);
      const told: StopReason[] = [];
      held.write.onStop((why) => told.push(why));
      const stop = world.stop(0);
      await world.clock.advance(times.drainMs / 2);
      expect([told, held.write.mayContinue()]).toEqual([['RecordingStopped'], true]);
      expect(world.graph.log).toEqual(['recording']);
      held.end();
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(told).toEqual(['RecordingStopped']);
      expect(world.clock.now()).toBeLessThan(times.drainMs);
    }));

  test('that can end itself at once makes the stop wait for nothing', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const held = await world.admitted(0);
      held.write.onStop(() => held.end());
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({
        writes: { admitted: 1, aborted: 0 },
        holders: [{ left: 'drained' }],
      });
    }));

  test('that is ready to be told only after the stop is told then', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const held = await world.admitted(1);
      const stop = world.stop(0);
      await world.clock.advance(times.drainMs / 2);
      const told: StopReason[] = [];
      held.write.onStop((why) => told.push(why));
      expect(told).toEqual(['RecordingStopped']);
      held.end();
      await world.run(stop);
    }));

  test('is cut at the drain limit all the same', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const admitted = await world.admitted(1);
      admitted.write.onStop(() => undefined);
      const stop = world.stop(0);
      await world.clock.advance(times.drainMs);
      expect(admitted.wasCut).toBe(true);
      expect(await world.run(stop)).toMatchObject({ ok: true });
    }));

  test('is told of nothing when it is over', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const held = await world.admitted(0);
      const told: StopReason[] = [];
      held.write.onStop((why) => told.push(why));
      held.end();
      await world.run(world.stop(0));
      held.write.onStop((why) => told.push(why));
      expect(told).toEqual([]);
    }));
});
