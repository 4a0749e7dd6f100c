import { describe, expect, test } from '@jest/globals';
import { defaultPolicy, inForce } from '../../../src/core/call/policy.ts';
import { bot, inWorld, theCall } from '../../support/gate.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

describe('draining', () => {
  test('lets accepted writes finish, and the stop is sent as soon as the last one has', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [first, second] = [await world.admitted(0), await world.admitted(1)];
      second.write.addBytes(7);
      const stop = world.stop(0);
      await world.clock.advance(drainMs / 4);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      first.end();
      await world.clock.advance(drainMs / 4);
      expect(world.graph.log).toEqual(['recording']);
      second.end();

      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(world.clock.now()).toBeLessThan(drainMs);
      expect([first.wasCut, second.wasCut]).toEqual([false, false]);
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({
        writes: { admitted: 2, aborted: 0, unanswered: 0, refused: 1, bytes: 7 },
        holders: [
          { left: 'drained', admitted: 1 },
          { left: 'drained', admitted: 1 },
        ],
      });
    }));

  test('cuts what is left at the drain limit, and the stop is sent only then', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const stop = world.stop(0);
      await world.clock.advance(drainMs - 1);
      expect([write.wasCut, write.write.mayContinue()]).toEqual([false, true]);
      expect(world.graph.log).toEqual(['recording']);
      await world.clock.advance(1);
      expect([write.wasCut, write.write.mayContinue()]).toEqual([true, false]);

      expect(await world.run(stop)).toMatchObject({ ok: true });
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({
        interval: { openedAt: new Date(world.storeNow() - world.clock.now()).toISOString() },
        writes: { admitted: 1, aborted: 1 },
        holders: [{ left: 'cut', drainMs }],
      });
      expect((await world.view()).tallies).toEqual([]);
    }));

  test('cuts at once with a drain limit of 0', () =>
    inWorld({ ...times, drainMs: 0 }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(write.wasCut).toBe(true);
      expect(world.clock.now()).toBeLessThan(100);
    }));

  test('takes the limit from the policy of the bot', () => {
    const patient = inForce({ ...defaultPolicy, name: 'patient', match: { apps: [bot.app] }, drainMs: 5000 });
    return inWorld({ ...times, policies: [patient] }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const stop = world.stop(0);
      await world.clock.advance(4900);
      expect(write.isLive).toBe(true);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(write.wasCut).toBe(true);
    });
  });

  test('reaches an instance that no wake-up reaches with its next heartbeat', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.wakesArrive = false;
      const stop = world.stop(0);
      await world.clock.advance(ttlMs / 3 - 1);
      expect(write.write.grant.revokedAt).toBeUndefined();
      await world.clock.advance(1);
      expect(write.write.grant.revokedAt).toBe(ttlMs / 3);
      expect(await world.run(stop)).toMatchObject({ ok: true });
    }));

  test('does not let in a write whose grant was revoked between its look-up and its use', async () => {
    // Replies of the store may arrive together: the revocation is tried at every turn after the acquire.
    for (let turns = 0; turns < 20; turns++) {
      await inWorld(times, async (world) => {
        await world.recording();
        const reply = world.hold('acquire', 'after', { instance: 1 });
        const write = world.write(1);
        const stop = world.stop(0);
        world.wakesArrive = false;
        const heartbeat = world.hold('heartbeat', 'after', { instance: 1 });
        await world.clock.advance(ttlMs / 3);
        expect([reply.reached, heartbeat.reached]).toEqual([true, true]);
        reply.release();
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        heartbeat.release();
        const written = await world.run(write);
        if (written.ok) expect(written.value.write.grant.writes.size).toBe(1);
        expect(await world.run(stop)).toMatchObject({ ok: true });
      });
    }
  });
});

describe('a deadline that passes', () => {
  test('cuts the writes of the instance, which joins again under a new id without its grants', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const [before] = (await world.view()).holders;
      world.fail('heartbeat', 'before', { instance: 1, times: 3 });
      await world.clock.advance(ttlMs - 1);
      expect(write.wasCut).toBe(false);
      await world.clock.advance(1);
      expect([write.wasCut, write.write.mayContinue()]).toEqual([true, false]);

      expect(world.instances[1]!.gate.isReady()).toBe(true);
      expect((await world.view()).holders).toEqual([]);
      expect(world.instances[1]!.gate.admitNow(theCall, bot)).toBeUndefined();
      await world.admitted(1);
      const [after] = (await world.view()).holders;
      expect(after?.epoch).toBe(before?.epoch);
      expect(after?.session).not.toBe(before?.session);
      await world.run(world.stop(0));
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({ writes: { admitted: 2, aborted: 2 } });
      expect(world.drains).toContain('expired');
    }));

  test('cuts the writes also when its timer fires early', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.clock.earlyMs = 0.5;
      // The deadline is set anew, and from then on no heartbeat is answered.
      await world.clock.advance(ttlMs / 3);
      world.hold('heartbeat', 'before', { instance: 1 });
      await world.clock.advance(2 * ttlMs);
      expect(write.wasCut).toBe(true);
    }));

  test('lets no byte pass in a process that slept past it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.clock.jump(ttlMs - 1);
      expect(write.write.mayContinue()).toBe(true);
      world.clock.jump(1);
      expect(write.write.mayContinue()).toBe(false);
      expect(world.instances[1]!.gate.admitNow(theCall, bot)).toBeUndefined();
      await world.clock.advance(0);
      expect(write.wasCut).toBe(true);
    }));

  test('makes the late reply to a heartbeat void', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const reply = world.hold('heartbeat', 'after', { instance: 1 });
      await world.clock.advance(ttlMs);
      expect(world.instances[1]!.gate.isReady()).toBe(false);
      world.fail('join', 'before', { instance: 1, times: 1 });
      reply.release();
      await world.clock.settle();
      expect(world.instances[1]!.gate.isReady()).toBe(false);
      await world.clock.advance(ttlMs / 3);
      expect(world.instances[1]!.gate.isReady()).toBe(true);
      expect(world.instances[1]!.gate.admitNow(theCall, bot)).toBeUndefined();
    }));

  test('follows from a session that the store has lost', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const [holder] = (await world.view()).holders;
      await world.store.sessions.quit(holder!.session);
      await world.clock.advance(ttlMs / 3);
      expect(write.wasCut).toBe(true);
      await world.admitted(1);
    }));
});

describe('closing an instance', () => {
  test('lets its writes finish within the drain limit, and leaves the store', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const closing = world.instances[1]!.gate.close();
      await world.clock.advance(drainMs / 2);
      expect(await world.run(world.write(1))).toRefuse('ShuttingDown');
      expect(write.isLive).toBe(true);
      await world.run(closing);
      expect(write.wasCut).toBe(true);
      expect((await world.view()).holders).toEqual([]);
      expect(world.count('quit')).toBe(1);
      await world.admitted(0);
    }));

  test('ends when the deadline passes before the drain limit', () =>
    inWorld({ ...times, drainMs: 10_000 }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.storeIsDown = true;
      await world.run(world.instances[1]!.gate.close(), ttlMs + 1);
      expect(write.wasCut).toBe(true);
      expect(world.drains).toEqual(['expired']);
      world.storeIsDown = false;
    }));

  test('ends without the store', () =>
    inWorld(times, async (world) => {
      world.storeIsDown = true;
      await expect(world.run(world.instances[1]!.gate.close())).resolves.toBeUndefined();
      world.storeIsDown = false;
    }));
});
