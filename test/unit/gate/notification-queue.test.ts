import { describe, expect, test } from '@jest/globals';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { bot, inWorld, stranger, theCall, type World } from '../../support/gate.ts';
import {
  callIs,
  callNo,
  invitation,
  operationEnded,
  participant,
  roster,
  tell,
} from '../../support/notices.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };
/** By then whoever waits for the store has asked it again. */
const soonMs = 6000;

const toldStates = async (world: World, call = theCall): Promise<unknown[]> =>
  (await world.records())
    .filter((record) => record.event === 'notified' && record.call === call)
    .map(({ detail }) => detail.state);

describe('while the store is away', () => {
  test('nothing that comes is lost, and all is learned in order once it is back', () =>
    inWorld(times, async (world) => {
      world.storeIsDown = true;
      const other = callNo(1);
      for (const [index, notices] of [
        [0, [invitation(), callIs('establishing')]],
        [1, [invitation({ call: other })]],
        [0, [callIs('established')]],
        [0, [callIs('terminated')]],
      ] as const) {
        await tell(world, index, notices);
        await world.clock.advance(60_000);
      }
      expect(world.outcomes).toEqual([]);
      world.storeIsDown = false;
      await world.clock.advance(soonMs);
      expect(await toldStates(world)).toEqual(['incoming', 'establishing', 'established', 'terminated']);
      expect(await toldStates(world, other)).toEqual(['incoming']);
      expect([await world.state(), await world.state(other)]).toEqual(['ended', 'idle']);
      expect(world.outcomes).toEqual(Array.from({ length: 5 }, () => 'learned'));
    }));

  test('a call that waits does not keep the others waiting when it is back', () =>
    inWorld(times, async (world) => {
      world.storeIsDown = true;
      const waiting = Array.from({ length: 200 }, (_, n) => invitation({ call: callNo(n + 1) }));
      await tell(world, 0, waiting);
      await world.clock.advance(20_000);
      world.storeIsDown = false;
      await tell(world, 0, invitation());
      expect(world.outcomes).toEqual(['learned']);
      await world.clock.advance(soonMs);
      expect(world.outcomes).toHaveLength(201);
    }));

  test('what waits is bounded, and what is dropped is counted', () =>
    inWorld({ ...times, sizes: { maxWaitingNotices: 500 } }, async (world) => {
      world.storeIsDown = true;
      const crowd = Array.from({ length: 100 }, (_, n) => participant(`p${n}`));
      for (let sent = 0; sent < 10; sent++) await tell(world, 0, roster(crowd, callNo(sent + 1)));
      // Four of them weigh 404; a smaller one has room.
      expect(world.outcomes).toEqual(Array.from({ length: 6 }, () => 'dropped'));
      await tell(world, 0, invitation());
      expect(world.outcomes).toHaveLength(6);

      world.storeIsDown = false;
      await world.clock.advance(soonMs);
      expect(world.outcomes.filter((outcome) => outcome === 'learned')).toHaveLength(5);
      expect(await toldStates(world)).toEqual(['incoming']);
      // There is room again.
      await tell(world, 0, roster(crowd, callNo(99)));
      expect(world.outcomes.slice(-1)).toEqual(['learned']);
    }));

  test('an end that there is no room for closes the gate of its call here, and of no other', () =>
    inWorld({ ...times, sizes: { maxWaitingNotices: 0 } }, async (world) => {
      await world.recording();
      await world.admitted(0);
      await tell(world, 0, [callIs('terminated'), callIs('terminated', { call: callNo(1) })]);
      expect(world.outcomes).toEqual(['dropped', 'dropped']);
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      expect(await world.state()).toBe('recording');
      // A recording that is confirmed later is not what has ended.
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      await world.recording();
      await world.admitted(0);
    }));

  test('a flood of small ones is bounded too, also where no limit is given', () =>
    inWorld(times, async (world) => {
      world.storeIsDown = true;
      await tell(
        world,
        0,
        Array.from({ length: 50_010 }, () => invitation()),
      );
      expect(world.outcomes).toEqual(Array.from({ length: 10 }, () => 'dropped'));
    }));
});

describe('the notifications of one call', () => {
  test('wait for each other, those of other calls do not wait for them', () =>
    inWorld(times, async (world) => {
      const held = world.hold('commit', 'before', { instance: 0 });
      await tell(world, 0, [invitation(), invitation({ call: callNo(1) })]);
      await tell(world, 0, [callIs('established'), callIs('established', { call: callNo(1) })]);
      expect(held.reached).toBe(true);
      expect(await toldStates(world)).toEqual([]);
      expect(await toldStates(world, callNo(1))).toEqual(['incoming', 'established']);
      held.release();
      await world.clock.settle();
      expect(await toldStates(world)).toEqual(['incoming', 'established']);
    }));

  test('wait while the call is drained, those of other calls do not', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const notices: Notice[] = [callIs('terminated'), callIs('established')];
      await tell(world, 0, notices);
      await tell(world, 0, invitation({ call: callNo(1) }));
      expect(await toldStates(world, callNo(1))).toEqual(['incoming']);
      expect(await toldStates(world)).toEqual(['terminated']);
      await world.clock.advance(times.drainMs + 100);
      expect(world.outcomes).toEqual(['learned', 'learned', 'ended']);
    }));

  test('wait while the call is drained, those of other calls do not, however many are drained', () =>
    inWorld(times, async (world) => {
      const calls = Array.from({ length: 128 }, (_, n) => callNo(n + 1));
      for (const call of calls) {
        await world.run(world.start(0, { call }));
        expect(await world.run(world.write(1, bot, call))).toMatchObject({ ok: true });
      }
      await tell(
        world,
        0,
        calls.map((call) => callIs('terminated', { call })),
      );
      await tell(world, 0, invitation());
      // Not long enough for any drain to be over.
      await world.clock.advance(400);
      expect(world.live(callNo(1))).toHaveLength(1);
      expect(await toldStates(world)).toEqual(['incoming']);
    }));
});

describe('a store that has just started without its data', () => {
  test('takes the end of a call later; until then its gate is closed', () =>
    inWorld({ ...times, fresh: true }, async (world) => {
      await tell(world, 0, [invitation(), callIs('terminated')]);
      await world.clock.advance(100);
      expect(await world.state()).toBe('stopping');
      expect(await world.run(world.start(1))).not.toMatchObject({ ok: true });
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.clock.advance(4 * times.graphTimeoutMs + soonMs);
      expect(await world.state()).toBe('ended');
      expect(world.ends).toEqual(['terminated']);
      expect(world.graph.log).toEqual([]);
      expect(world.outcomes).toEqual(['learned', 'learned']);
    }));

  test('takes the end of a call that was being recorded, whose writes are over by then', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const writes = [await world.admitted(0), await world.admitted(1)];
      world.restartStore();
      await tell(world, 0, callIs('terminated'));
      await world.clock.advance(4 * times.graphTimeoutMs + soonMs);
      expect(await world.state()).toBe('ended');
      expect(writes.map(({ wasCut }) => wasCut)).toEqual([true, true]);
      expect(world.ends).toEqual(['terminated']);
    }));
});

describe('a store that has lost whose the call was', () => {
  // This instance remembers another owner than the store by now.
  test('has the last word; what the one before is told is neither learned nor tried for ever', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, invitation());
      world.restartStore();
      await tell(world, 1, invitation(), stranger);
      const before = await world.view();
      await tell(world, 0, callIs('terminated'));
      await world.clock.advance(60_000);
      expect((await world.view()).state).toEqual(before.state);
      expect(world.outcomes).toEqual(['learned', 'learned', 'stranger']);
    }));
});

describe('an end that is told once more', () => {
  test.each([
    ['of calls that have ended', bot],
    ['of calls of somebody else', stranger],
  ] as const)('%s leaves nothing behind that closes other calls', (_, by) =>
    inWorld({ ...times, sizes: { maxStopMarks: 3 } }, async (world) => {
      const calls = Array.from({ length: 5 }, (_, n) => callNo(n + 1));
      await tell(
        world,
        1,
        calls.map((call) => callIs('terminated', { call })),
      );
      await world.recording();
      for (const call of calls) {
        world.instances[0]!.gate.receiveNotices(by, [callIs(null, { call, changeType: 'deleted' })]);
        await world.clock.advance(100);
      }
      await world.admitted(0);
    }),
  );
});

describe('an instance that leaves', () => {
  test('takes in what it has heard before', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      gate.receiveNotices(bot, [invitation(), callIs('terminated')]);
      await world.run(gate.close(), 100);
      expect(await world.state()).toBe('ended');
    }));

  test('learns nothing more, and says so', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      await world.run(gate.close());
      await tell(world, 0, [invitation(), operationEnded('op-7')]);
      expect(world.outcomes).toEqual(['dropped', 'dropped']);
      expect(await world.state()).toBe('unknown');
    }));

  test('does not wait for a store that is away, and what was not learned is counted', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      world.storeIsDown = true;
      await tell(world, 0, [invitation(), callIs('established')]);
      await world.clock.advance(60_000);
      const began = world.clock.now();
      await world.run(gate.close());
      expect(world.clock.now() - began).toBeLessThanOrEqual(3000);
      await world.clock.advance(soonMs);
      expect(world.outcomes).toEqual(['dropped', 'dropped']);
    }));

  test('does not wait for a store that hangs', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      const held = world.hold('commit', 'before', { instance: 0 });
      await tell(world, 0, invitation());
      const began = world.clock.now();
      await world.run(gate.close());
      expect(world.clock.now() - began).toBeLessThanOrEqual(3000);
      held.release();
    }));

  test('takes in what waited for the store, if that is back in time', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      world.storeIsDown = true;
      await tell(world, 0, invitation());
      await world.clock.advance(61_500);
      world.storeIsDown = false;
      await world.run(gate.close());
      expect(await toldStates(world)).toEqual(['incoming']);
    }));
});
