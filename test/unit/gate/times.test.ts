import { describe, expect, test } from '@jest/globals';
import { UnchangedSince } from '../../../src/gate/unchanged-since.ts';
import { inWorld, theCall, unavailable } from '../../support/gate.ts';
import { lasting } from '../../support/session-times.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };

describe('a watch', () => {
  test('counts from when a token was seen first, by its own clock', async () => {
    const clock = new VirtualClock();
    const watch = new UnchangedSince(clock);
    expect(watch.remainingMs('one', 500)).toBe(500);
    await clock.advance(200);
    expect(watch.remainingMs('two', 500)).toBe(500);
    expect(watch.remainingMs('one', 500)).toBe(300);
    await clock.advance(300);
    expect(watch.remainingMs('one', 500)).toBe(0);
    expect(watch.elapsedMs('one', clock.now() - 400)).toBe(100);
    expect(watch.elapsedMs('one', -1)).toBe(0);
  });
});

describe('a holder whose session stands still', () => {
  test.each([1000, 9000])('is waited out for its own TTL of %i ms, not for that of the waiter', (ttlMs) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.store.sessions.join('crashed', lasting(ttlMs));
      await world.store.calls.acquire(theCall, 'crashed');
      const began = world.clock.now();
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      const took = world.clock.now() - began;
      expect(took).toBeGreaterThanOrEqual(ttlMs);
      expect(took).toBeLessThan(ttlMs + 500);
      const lost = (await world.records()).find(({ event }) => event === 'holderLost');
      expect(lost?.detail).toMatchObject({ session: 'crashed', ttlMs });
    }),
  );

  test('is not given up while its counter moves, whatever it does not do', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.store.sessions.join('slow', lasting(1000));
      await world.store.calls.acquire(theCall, 'slow');
      const stop = world.stop(0);
      for (let passed = 0; passed < 5000; passed += 500) {
        await world.clock.advance(500);
        await world.store.sessions.heartbeat('slow', []);
      }
      expect(await world.run(stop)).toRefuse('DrainTimeout');
      expect((await world.view()).holders).toMatchObject([{ session: 'slow' }]);
    }));
});

describe('an instance that must not take part', () => {
  test('opens no gate and forwards no start, says why once, and joins once nothing is in the way', () =>
    inWorld({ ...times, instances: 0 }, async (world) => {
      const refusal = { why: 'times', text: 'TALLYLIGHT_SESSION_TTL_MS is 3000 here' } as const;
      let isRefused = true;
      const { sessions } = world.store;
      const join = sessions.join.bind(sessions);
      Object.assign(sessions, {
        join: (...args: Parameters<typeof join>) => (isRefused ? Promise.resolve(refusal) : join(...args)),
      });
      const { gate } = await world.boot();
      await world.clock.advance(10_000);
      expect([gate.isReady(), gate.obstacle()]).toEqual([false, refusal.text]);
      expect(await world.run(world.start(0))).toRefuse('StoreUnavailable');
      expect(world.graph.log).toEqual([]);
      // A stop goes through all the same.
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      isRefused = false;
      await world.clock.advance(1000);
      expect([gate.isReady(), gate.obstacle()]).toEqual([true, undefined]);
      await world.recording();
    }));

  test.each([
    [false, 'is not reached', unavailable],
    [false, 'refuses it', () => Promise.resolve({ why: 'times', text: 'refused' } as const)],
    [true, 'is full', () => Promise.resolve({ why: 'full', text: 'full' } as const)],
    [true, 'takes it in', undefined],
  ])('may write evidence (%s) while the store %s', (mayWrite, _, answer) =>
    inWorld({ ...times, instances: 0 }, async (world) => {
      if (answer !== undefined) Object.assign(world.store.sessions, { join: answer });
      const { gate } = await world.boot();
      await world.clock.advance(5000);
      expect(gate.mayWriteEvidence()).toBe(mayWrite);
    }),
  );

  test('starts nothing before it has been told whether it may', () =>
    inWorld({ ...times, instances: 0 }, async (world) => {
      world.weather = ({ name }) => (name === 'join' ? { before: unavailable } : {});
      await world.boot();
      expect(await world.run(world.start(0))).toRefuse('StoreUnavailable');
      expect(world.graph.log).toEqual([]);
      // Nor does it wait for its next heartbeat to ask.
      world.weather = () => ({});
      expect(await world.run(world.start(0))).toMatchObject({ ok: true });
      await world.admitted(0);
    }));
});

test('the store is swept once a minute, by every instance that lives', () =>
  inWorld(times, async (world) => {
    await world.clock.advance(3.5 * 60_000);
    expect(world.commands.filter(({ name, instance }) => name === 'sweep' && instance === 0)).toHaveLength(3);
  }));
