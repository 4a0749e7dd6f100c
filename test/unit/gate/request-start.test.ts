import { describe, expect, test } from '@jest/globals';
import { startProblems } from '../../../src/core/http/request-start.ts';
import { bot, inWorld, theCall, type World } from '../../support/gate.ts';

/** Whether a write that began at a time of the clock is let in. */
async function isLetIn(world: World, index: number, beganAt: number): Promise<boolean> {
  const { gate } = world.instances[index]!;
  const decision =
    gate.admitNow(theCall, bot, beganAt) ?? (await world.run(gate.admit(theCall, bot, beganAt)));
  if (decision.ok) decision.value.end(true);
  else expect(decision).toEqual({ ok: false, reason: 'RecordingNotActive', detail: startProblems.early });
  return decision.ok;
}

describe('a write that tells when it began', () => {
  test('is let in if that was after Graph had confirmed, on the instance that asked', () =>
    inWorld({}, async (world) => {
      const before = world.clock.now();
      await world.clock.advance(500);
      await world.recording(0);
      const opened = world.clock.now();
      await world.clock.advance(2000);
      expect(await isLetIn(world, 0, before)).toBe(false);
      expect(await isLetIn(world, 0, opened - 1)).toBe(false);
      expect(await isLetIn(world, 0, opened + 1)).toBe(true);
      // A write that does not tell is let in: nobody has asked.
      await world.admitted(0);
    }));

  test('is let in likewise on an instance that learns of the recording from the store', () =>
    inWorld({}, async (world) => {
      await world.clock.advance(500);
      const before = world.clock.now();
      await world.recording(0);
      const opened = world.clock.now();
      await world.clock.advance(2000);
      expect(await isLetIn(world, 1, before - 1)).toBe(false);
      // The store counts in whole milliseconds.
      expect(await isLetIn(world, 1, opened + 2)).toBe(true);
    }));

  test('is refused where the recording that it began in was stopped, and a later one is open', () =>
    inWorld({}, async (world) => {
      await world.recording(0);
      await world.clock.advance(1000);
      const during = world.clock.now();
      expect(await isLetIn(world, 0, during)).toBe(true);
      await world.run(world.stop(0));
      await world.clock.advance(1000);
      await world.recording(1);
      await world.clock.advance(1000);
      for (const index of [0, 1]) {
        expect(await isLetIn(world, index, during)).toBe(false);
        expect(await isLetIn(world, index, world.clock.now() - 900)).toBe(true);
      }
    }));

  test('is judged by the same opening after the session was lost and the call is held anew', () =>
    inWorld({ ttlMs: 1000 }, async (world) => {
      await world.recording(0);
      const opened = world.clock.now();
      await world.clock.advance(500);
      expect(await isLetIn(world, 0, opened + 100)).toBe(true);
      world.storeIsDown = true;
      await world.clock.advance(3000);
      world.storeIsDown = false;
      await world.clock.advance(3000);
      expect(await isLetIn(world, 0, opened - 1)).toBe(false);
      expect(await isLetIn(world, 0, opened + 100)).toBe(true);
    }));

  test('leaves the gate as it is where it is refused', () =>
    inWorld({}, async (world) => {
      await world.recording(0);
      await world.clock.advance(1000);
      expect(await isLetIn(world, 1, -1)).toBe(false);
      await world.admitted(1);
      expect((await world.view()).holders).toHaveLength(1);
    }));
});
