import { describe, expect, test } from '@jest/globals';
import { bot, inWorld, theCall } from '../../support/gate.ts';

const times = { ttlMs: 1000, drainMs: 200, graphTimeoutMs: 1000, evidenceWaitMs: 30_000 };

describe('evidence that nobody writes', () => {
  test('stops new recordings and writes beyond its time; stops go on, and all begins again once it is written', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const live = await world.admitted(0);
      await world.clock.advance(times.evidenceWaitMs - 1000);
      await world.admitted(1);
      await world.clock.advance(1000);
      for (const index of [0, 1]) {
        expect(await world.run(world.write(index))).toRefuse('EvidenceBacklog');
        expect(world.instances[index]!.gate.evidenceObstacle()).toContain('TALLYLIGHT_EVIDENCE_BACKLOG');
      }
      // A repeated `recording` begins nothing, and what was let in goes on.
      expect(await world.run(world.start(0))).toMatchObject({ ok: true });
      expect(live.isLive).toBe(true);
      live.end();
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      expect(await world.state()).toBe('idle');
      expect(await world.run(world.start(0))).toRefuse('EvidenceBacklog');
      // A closed gate is told as such: what is retried would be late media.
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');

      await world.makeDurable();
      await world.clock.advance(2000);
      expect(world.instances[0]!.gate.evidenceObstacle()).toBeUndefined();
      await world.recording();
      await world.admitted(1);
    }));

  test('counts by the clock of whoever waits: setting the clock of the store back prolongs nothing', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(times.evidenceWaitMs / 2);
      world.storeSkewMs -= 3_600_000;
      await world.clock.advance(times.evidenceWaitMs / 2 + 15_000);
      expect(world.instances[0]!.gate.evidenceObstacle()).toBeDefined();
    }));

  test('goes on to age while the store does not say how much there is', () =>
    inWorld({ ...times, ttlMs: 60_000 }, async (world) => {
      await world.recording();
      await world.clock.advance(10_000);
      world.fail('backlog', 'before', { times: 1000 });
      await world.clock.advance(times.evidenceWaitMs);
      expect(world.instances[0]!.gate.evidenceObstacle()).toBeDefined();
    }));

  test('does not make more evidence of every write that is refused for it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(times.evidenceWaitMs);
      const before = (await world.records()).length;
      for (let n = 0; n < 50; n++) {
        expect(await world.run(world.write(0))).toRefuse('EvidenceBacklog');
        await world.clock.advance(1000);
      }
      expect((await world.records()).length).toBe(before);
      const waiting = await world.store.outbox.pending(1000);
      const told = waiting.flatMap(({ refusedWrites }) => refusedWrites?.refused.EvidenceBacklog ?? []);
      expect(told.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(30);
      expect(told.length).toBeLessThan(8);
    }));
});

test('evidence beyond its size stops new recordings, whatever its age', () =>
  inWorld({ ...times, sizes: { evidenceBytes: 20_000 } }, async (world) => {
    await world.recording();
    await world.admitted(0);
    for (let n = 0; n < 100; n++)
      await world.run(world.instances[0]!.gate.note('metadataUpdated', theCall, bot, {}));
    await world.clock.advance(15_000);
    expect(await world.run(world.write(0))).toRefuse('EvidenceBacklog');
    await world.makeDurable();
    await world.clock.advance(2000);
    await world.admitted(0);
  }));
