import { describe, expect, test } from '@jest/globals';
import { inWorld, type World } from '../../support/gate.ts';
import { lost } from '../../support/gate-graph.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };

/** As a scrape of every instance does. */
function sample(world: World): void {
  for (const take of world.samplers) take();
}

const ages = (world: World): number[] => {
  sample(world);
  return [...world.oldestStops].toSorted(([a], [b]) => a - b).map(([, seconds]) => seconds);
};

describe('bytes of open writes', () => {
  test('are counted while the write goes on, each once, and come to what is counted at the end', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const first = await world.admitted(0);
      const second = await world.admitted(1);
      first.write.addBytes(100);
      sample(world);
      expect(world.bytes).toEqual({ live: 100, ended: 0 });
      sample(world);
      expect(world.bytes.live).toBe(100);
      first.write.addBytes(20);
      second.write.addBytes(3);
      sample(world);
      expect(world.bytes).toEqual({ live: 123, ended: 0 });
      const stop = world.stop(0);
      await world.clock.settle();
      // What still passes while writes drain.
      first.write.addBytes(7);
      sample(world);
      expect(world.bytes).toEqual({ live: 130, ended: 0 });
      second.write.addBytes(1);
      await world.run(stop);
      sample(world);
      expect(world.bytes).toEqual({ live: 131, ended: 131 });
    }));

  test('that are never looked at while it lasts are counted at its end', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      write.write.addBytes(55);
      write.end();
      await world.run(world.stop(1));
      expect(world.bytes).toEqual({ live: 55, ended: 55 });
    }));
});

describe('the length of a recording', () => {
  test('is told once, when its interval is closed', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(90_000);
      expect(world.lengths).toEqual([]);
      await world.run(world.stop(1));
      expect(world.lengths).toEqual([90]);
      await world.run(world.stop(1));
      expect(world.lengths).toEqual([90]);
    }));

  test('of a call that was never recorded is not told, and a clock that was set back makes none negative', () =>
    inWorld(times, async (world) => {
      await world.run(world.stop(0));
      expect(world.lengths).toEqual([]);
      await world.recording();
      world.storeSkewMs = -3_600_000;
      await world.run(world.stop(0));
      expect(world.lengths).toEqual([0]);
    }));
});

describe('the age of the oldest stop that is not confirmed', () => {
  /** As the survey before a scrape does, on each instance. */
  const survey = async (world: World): Promise<void> => {
    const age = await world.store.calls.oldestStop();
    for (const { gate } of world.instances) gate.reportOldestStop(age);
  };

  test('is told by every instance, also those that did not receive the stop, until Graph has confirmed it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await survey(world);
      expect(ages(world)).toEqual([0, 0]);
      world.graph.next('notRecording', lost(null));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');
      await survey(world);
      const [before = 0] = ages(world);
      expect(ages(world)).toEqual([before, before]);
      await world.clock.advance(120_000);
      await survey(world);
      expect(ages(world)).toEqual([before + 120, before + 120]);
      await world.run(world.stop(1));
      await survey(world);
      expect(ages(world)).toEqual([0, 0]);
    }));

  test('counts a stop that the store does not have yet, on the instance that received it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.storeIsDown = true;
      await world.run(world.stop(0));
      await world.clock.advance(60_000);
      expect(ages(world)[0]).toBeGreaterThanOrEqual(60);
      expect(ages(world)[1]).toBe(0);
      world.storeIsDown = false;
      await world.clock.advance(30_000);
      expect(await world.state()).toBe('idle');
      await survey(world);
      expect(ages(world)).toEqual([0, 0]);
    }));

  test('grows while the store does not answer who has completed it', () =>
    inWorld({ ...times, instances: 1 }, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(null));
      await world.run(world.stop(0));
      await survey(world);
      const [before = 0] = ages(world);
      // No survey gets through.
      await world.clock.advance(60_000);
      expect(ages(world)).toEqual([before + 60]);
    }));
});
