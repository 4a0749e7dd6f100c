import { describe, expect, test } from '@jest/globals';
import type { CallEnd } from '../../../src/core/call/ends.ts';
import type { CallKey } from '../../../src/core/call/key.ts';
import { Fault } from '../../../src/core/errors.ts';
import type { CallProbe } from '../../../src/core/ports/identity.ts';
import { sleep } from '../../../src/gate/context.ts';
import { inWorld, theCall, type World, type WorldOptions } from '../../support/gate.ts';
import { callNo, invitation, tell } from '../../support/notices.ts';

const silenceMs = 10_000;
const roundMs = silenceMs / 10;
/** By then a silent call has ended. */
const latestMs = silenceMs + 6 * roundMs;
const drainMs = 1000;
const times: WorldOptions = { ttlMs: 3000, drainMs, graphTimeoutMs: 2000, silenceMs };

type Ask = (world: World, call: CallKey) => ReturnType<CallProbe>;

/** A world in which Graph is asked for silent calls. */
function inWorldAsking(
  ask: Ask,
  story: (world: World) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  let asking: World | undefined;
  return inWorld({ ...times, ...options, probe: (call) => ask(asking!, call) }, (world) => {
    asking = world;
    return story(world);
  });
}

/** Media of the call moves on this instance, several times a round, until it is let in no more or the time is over. */
async function stream(world: World, index: number, forMs: number): Promise<void> {
  const { write } = await world.admitted(index);
  const until = world.clock.now() + forMs;
  while (world.clock.now() < until && write.mayContinue()) {
    write.addBytes(1);
    await world.clock.advance(roundMs / 4);
  }
}

describe('a round that', () => {
  test('fails loses nothing of what was heard', () =>
    inWorld(times, async (world) => {
      await world.recording();
      for (let rounds = 0; rounds < 30; rounds++) {
        // Heard of every third round only, and the store does not take it at first.
        if (rounds % 6 === 0) {
          world.instances[1]!.gate.touch(theCall);
          world.fail('touch', 'before', { instance: 1, times: 2 });
        }
        await world.clock.advance(roundMs);
      }
      expect(await world.state()).toBe('recording');
      await world.clock.advance(latestMs + drainMs);
      expect(await world.state()).toBe('ended');
    }));

  test('fails is followed by others', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.fail('idle', 'before', { times: 8 });
      await world.clock.advance(latestMs);
      world.fail('read', 'before', { times: 2 });
      await world.clock.advance(latestMs + drainMs);
      expect(await world.state()).toBe('ended');
    }));

  test('falls into an outage of the store is made up for', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(silenceMs - roundMs);
      world.storeIsDown = true;
      await world.clock.advance(3 * roundMs);
      expect(world.ends).toEqual([]);
      world.storeIsDown = false;
      await world.clock.advance(latestMs + drainMs);
      expect(await world.state()).toBe('ended');
    }));

  test('would come after the instance was closed does not', () =>
    inWorld({ ...times, instances: 1 }, async (world) => {
      await world.recording();
      await world.run(world.instances[0]!.gate.close());
      const before = world.commands.length;
      await world.clock.advance(3 * latestMs);
      expect(await world.state()).toBe('recording');
      expect(world.commands).toHaveLength(before);
    }));

  test('is under way when the instance is closed is broken off', () => {
    const asked: CallKey[] = [];
    return inWorldAsking(
      async (world, call) => {
        asked.push(call);
        await sleep(world.clock, 500);
        return 'unknown';
      },
      async (world) => {
        for (let n = 1; n <= 5; n++) await tell(world, 0, invitation({ call: callNo(n) }));
        while (asked.length === 0) await world.clock.advance(100);
        await world.run(world.instances[0]!.gate.close());
        await world.clock.advance(5 * roundMs);
        expect(asked).toEqual([callNo(1)]);
      },
      { instances: 1 },
    );
  });

  test('finds many silent calls ends them all', () =>
    inWorld(times, async (world) => {
      const calls = Array.from({ length: 250 }, (_, n) => callNo(n + 1));
      for (const call of calls) await tell(world, 0, invitation({ call }));
      await world.clock.advance(latestMs);
      expect(world.ends).toEqual(calls.map(() => 'silenceUnconfirmed'));
    }));
});

describe('a silent call whose state cannot be read', () => {
  test.each<[string, number, CallEnd[]]>([
    ['from the beginning', 0, ['silenceUnconfirmed']],
    ['when it is to be ended', 1, ['silenceUnconfirmed']],
    ['only for a while', Infinity, ['silenceUnconfirmed', 'silenceUnconfirmed']],
  ])('%s keeps no other from being ended', (_, readable, ends) =>
    inWorld(times, async (world) => {
      for (const n of [1, 2]) {
        await tell(world, 0, invitation({ call: callNo(n) }));
        await world.clock.advance(1);
      }
      const { calls } = world.store;
      const read = calls.read.bind(calls);
      let reads = 0;
      Object.assign(calls, {
        read(call: CallKey) {
          if (call === callNo(1)) reads += 1;
          const isMalformed = call === callNo(1) && (readable === Infinity ? reads === 1 : reads > readable);
          return isMalformed ? Promise.reject(new Fault('Internal', 'malformed')) : read(call);
        },
      });
      await world.clock.advance(latestMs + 3 * roundMs);
      expect(reads).toBeGreaterThan(1);
      expect(world.ends).toEqual(ends);
    }),
  );
});

describe('something that is heard', () => {
  test('while Graph is asked keeps the call, if Graph cannot be asked after all', () =>
    inWorldAsking(
      async (world) => {
        await sleep(world.clock, 2000);
        return 'noCredential';
      },
      async (world) => {
        await world.recording();
        await world.clock.advance(silenceMs + roundMs + 500);
        world.instances[0]!.gate.touch(theCall);
        await world.clock.advance(3000);
        expect(await world.state()).toBe('recording');
      },
      { instances: 1 },
    ));

  // A round tells the store what was heard only before it asks Graph for the silent calls, one after the other.
  test('on one instance counts on the other, also while the one waits for Graph', () => {
    const dead = callNo(1);
    let asked = 0;
    return inWorldAsking(
      async (world, call) => {
        if (call !== dead) return 'noCredential';
        // Graph is slow to answer the one instance, not the other.
        if (asked++ === 0) await sleep(world.clock, 3 * silenceMs);
        return 'found';
      },
      async (world) => {
        await tell(world, 0, invitation({ call: dead }));
        // Instance 1 alone looks for silent calls first.
        const late = world.hold('idle', 'before', { instance: 0 });
        await world.recording();
        await stream(world, 1, silenceMs + 2 * roundMs);
        late.release();
        await stream(world, 1, 4 * silenceMs);
        expect(await world.state()).toBe('recording');
      },
    );
  });

  test('after the silent calls were listed keeps a call from being ended', () => {
    const dead = callNo(1);
    const asked: CallKey[] = [];
    return inWorldAsking(
      async (world, call) => {
        asked.push(call);
        if (call !== dead) return 'noCredential';
        await sleep(world.clock, 2000);
        return 'found';
      },
      async (world) => {
        await tell(world, 0, invitation({ call: dead }));
        await world.clock.advance(roundMs);
        await world.recording();
        await world.clock.advance(silenceMs + roundMs + 500);
        // Both instances ask for the dead call now; the other one waits in the same list.
        expect(asked).toEqual([dead, dead]);
        await stream(world, 1, 5 * roundMs);
        expect(await world.state()).toBe('recording');
      },
    );
  });

  test('while the store was away for long counts as soon as it is back', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(roundMs);
      world.storeIsDown = true;
      for (let rounds = 0; rounds < 20; rounds++) {
        world.instances[1]!.gate.touch(theCall);
        await world.clock.advance(roundMs);
      }
      world.storeIsDown = false;
      for (let rounds = 0; rounds < 20; rounds++) {
        world.instances[1]!.gate.touch(theCall);
        await world.clock.advance(roundMs);
      }
      expect(await world.state()).toBe('recording');
    }));

  test('of no call does not keep others from being ended, because Graph does not tell of many', () => {
    const gone = callNo(1000);
    return inWorldAsking(
      (_, call) => Promise.resolve(call === gone ? 'gone' : 'unknown'),
      async (world) => {
        for (let n = 1; n <= 200; n++) await tell(world, 0, invitation({ call: callNo(n) }));
        await world.clock.advance(1);
        await tell(world, 0, invitation({ call: gone }));
        await world.clock.advance(3 * latestMs);
        expect(world.ends).toEqual(['silence']);
      },
    );
  });
});
