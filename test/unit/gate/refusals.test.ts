import { describe, expect, test } from '@jest/globals';
import { parseCallKey, type CallKey } from '../../../src/core/call/key.ts';
import type { RefusedWrites } from '../../../src/core/call/evidence-lines.ts';
import { RefusalLines } from '../../../src/evidence/verify/refusals.ts';
import { bot, inWorld, stranger, theCall, type World } from '../../support/gate.ts';

const times = { ttlMs: 1000, drainMs: 200, graphTimeoutMs: 1000 };
const periodMs = 10_000;
const callNo = (n: number): CallKey => parseCallKey(n.toString(16).padStart(32, '0'))!;

async function lines(world: World): Promise<RefusedWrites[]> {
  const entries = await world.store.outbox.pending(100_000);
  return entries.flatMap(({ refusedWrites }) => refusedWrites ?? []);
}

const total = (found: readonly RefusedWrites[]): number =>
  found.flatMap(({ refused }) => Object.values(refused)).reduce((sum, count) => sum + count, 0);

/** No line may be missing or said twice. */
function expectWhole(found: readonly RefusedWrites[]): void {
  const refusals = new RefusalLines({ partial: false, storeLost: false });
  expect(found.flatMap((line) => refusals.take(line) ?? [])).toEqual([]);
}

const refuse = (world: World, count: number, { index = 0, first = 1, by = bot } = {}): void => {
  for (let n = 0; n < count; n++)
    world.instances[index]!.gate.refused(callNo(first + n), 'RecordingNotActive', by);
};

describe('refused writes of calls that nobody is bound to', () => {
  test('leave no state of the calls, and are told by one line for each application and period', () =>
    inWorld(times, async (world) => {
      refuse(world, 500);
      refuse(world, 30, { by: stranger });
      await world.clock.advance(periodMs + 2000);
      refuse(world, 7, { first: 501 });
      await world.clock.advance(periodMs + 2000);
      const found = await lines(world);
      expect(found.map(({ by, refused, number }) => [by, refused, number])).toEqual([
        [bot, { RecordingNotActive: 500 }, 1],
        [stranger, { RecordingNotActive: 30 }, 2],
        [bot, { RecordingNotActive: 7 }, 3],
      ]);
      expectWhole(found);
      expect(found[0]!.calls).toHaveLength(20);
      expect(Date.parse(found[0]!.first!)).toBeLessThanOrEqual(Date.parse(found[0]!.latest!));
      expect(Date.parse(found[0]!.latest!)).toBeLessThanOrEqual(Date.parse(found[0]!.at));
      expect((await world.view(callNo(1))).state).toBeNull();
      expect(await world.records()).toEqual([]);
      expect(await world.store.calls.idle(0, 10)).toEqual([]);
    }));

  test('are told to the last one where they do not fit: 3,000 at once, and many applications', () =>
    inWorld(times, async (world) => {
      refuse(world, 3000);
      for (let n = 0; n < 1500; n++)
        world.instances[0]!.gate.refused(callNo(n), 'TokenExpired', { ...bot, app: `app-${n}` });
      await world.clock.advance(periodMs + 3000);
      const found = await lines(world);
      expect(total(found)).toBe(4500);
      expect(found.length).toBeLessThanOrEqual(1001);
      expectWhole(found);
    }));

  test('of a bound call are told without a record of it where there are too many, and none is told twice', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      await world.run(gate.bind(theCall, bot));
      refuse(world, 1000, { first: 0x1000 });
      gate.refused(theCall, 'RecordingNotActive', bot);
      await world.clock.advance(1500);
      gate.refused(theCall, 'RecordingNotActive', bot);
      await world.clock.advance(periodMs + 2000);
      const ofCall = (await world.records()).filter(({ event }) => event === 'writesRefused');
      expect(ofCall.map(({ detail }) => detail.refused)).toEqual([{ RecordingNotActive: 1 }]);
      expect(total(await lines(world))).toBe(1001);
    }));

  test('are kept while the store takes no report, and told once though a reply was lost', () =>
    inWorld(times, async (world) => {
      refuse(world, 5);
      await world.clock.advance(5000);
      world.fail('report', 'after', { times: 3 });
      await world.clock.advance(periodMs);
      refuse(world, 3, { first: 100 });
      world.storeIsDown = true;
      await world.clock.advance(2 * periodMs);
      world.storeIsDown = false;
      await world.clock.advance(2 * periodMs);
      const found = await lines(world);
      expect(total(found)).toBe(8);
      expectWhole(found);
    }));

  test('are told once when an instance is closed, though replies are lost', () =>
    inWorld(times, async (world) => {
      refuse(world, 5);
      await world.clock.advance(5000);
      world.fail('report', 'after', { times: 2 });
      await world.run(world.instances[0]!.gate.close(), 500);
      const found = await lines(world);
      expect(found.map(({ refused, last }) => [refused, last])).toEqual([[{ RecordingNotActive: 5 }, true]]);
    }));

  test('are told before an instance is closed, with a line that says that it was the last', () =>
    inWorld(times, async (world) => {
      refuse(world, 5);
      await world.run(world.instances[0]!.gate.close(), 500);
      const found = await lines(world);
      expect(found.map(({ refused, last }) => [refused, last])).toEqual([[{ RecordingNotActive: 5 }, true]]);
      refuse(world, 1, { index: 1 });
      await world.clock.advance(3 * periodMs);
      expect((await lines(world)).flatMap(({ countsLost }) => countsLost)).toEqual([]);
    }));
});

describe('an instance that is gone before it told what it refused', () => {
  test('is named by the next line of another', () =>
    inWorld(times, async (world) => {
      refuse(world, 5);
      await world.clock.advance(periodMs + 2000);
      const [told] = await lines(world);
      refuse(world, 3);
      world.crash(0);
      refuse(world, 1, { index: 1 });
      await world.clock.advance(periodMs + 2000);
      const found = await lines(world);
      expect(total(found)).toBe(6);
      expect(found.flatMap(({ countsLost }) => countsLost)).toEqual([
        { instance: told!.instance, number: told!.number },
      ]);
      await world.clock.advance(periodMs);
      refuse(world, 1, { index: 1, first: 200 });
      await world.clock.advance(periodMs + 2000);
      expect((await lines(world)).flatMap(({ countsLost }) => countsLost)).toHaveLength(1);
    }));

  test('is not named while it goes on, however long it counts nothing', () =>
    inWorld(times, async (world) => {
      refuse(world, 5);
      refuse(world, 5, { index: 1, first: 100 });
      await world.clock.advance(20 * periodMs);
      const found = await lines(world);
      expect(found.flatMap(({ countsLost }) => countsLost)).toEqual([]);
      expect(total(found)).toBe(10);
    }));
});
