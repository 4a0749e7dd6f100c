import { describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../src/core/call/key.ts';
import type { Binding } from '../../../src/core/call/state.ts';
import type { CallProbe } from '../../../src/core/ports/identity.ts';
import { lost } from '../../support/gate-graph.ts';
import { bot, inWorld, stranger, theCall, type World, type WorldOptions } from '../../support/gate.ts';
import { callIs, callNo, invitation, operationEnded, roster, tell } from '../../support/notices.ts';

const silenceMs = 10_000;
const roundMs = silenceMs / 10;
/** Nothing is ended before; what another instance heard may come a round later. */
const soonestMs = silenceMs + roundMs;
/** By then a silent call has ended. */
const latestMs = soonestMs + 5 * roundMs;
const drainMs = 1000;
const times: WorldOptions = { ttlMs: 3000, drainMs, graphTimeoutMs: 2000, silenceMs };

type Found = Awaited<ReturnType<CallProbe>>;

/** A way to ask Graph that answers the same until told otherwise, and who was asked for. */
function probing(found: Found): { probe: CallProbe; asked: [CallKey, Binding][]; found: Found } {
  const probing = {
    found,
    asked: [] as [CallKey, Binding][],
    probe: (call: CallKey, who: Binding): Promise<Found> => {
      probing.asked.push([call, who]);
      return Promise.resolve(probing.found);
    },
  };
  return probing;
}

const causes = async (world: World): Promise<unknown[]> =>
  (await world.records()).filter(({ event }) => event === 'ended').map(({ detail }) => detail.cause);

/** Lets something be heard of the call once per round, for longer than silence may last. */
async function keepHearing(world: World, hear: () => unknown): Promise<void> {
  const until = world.clock.now() + 3 * latestMs;
  while (world.clock.now() < until) {
    await hear();
    await world.clock.advance(roundMs);
  }
}

describe('a call of which nothing is heard', () => {
  test('is ended, drained, once, when Graph cannot be asked; not before its time', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const began = world.clock.now();
      while (write.isLive && world.clock.now() < 2 * latestMs) await world.clock.advance(100);
      // Its admission was heard of with the first round.
      expect(world.clock.now() - began).toBeGreaterThanOrEqual(soonestMs);
      expect(world.clock.now() - began).toBeLessThanOrEqual(latestMs + drainMs);
      expect(write.wasCut).toBe(true);
      await world.clock.advance(1000);
      const events = await world.events();
      expect(events.slice(-3)).toEqual(['stopRequested', 'drained', 'ended']);
      expect(await causes(world)).toEqual(['silenceUnconfirmed']);
      expect(world.ends).toEqual(['silenceUnconfirmed']);
      expect(world.graph.log).toEqual(['recording']);
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({ writes: { admitted: 1, aborted: 1 } });
      expect(drained?.detail.interval).not.toBeNull();
    }));

  test.each<[string, (world: World) => Promise<unknown>]>([
    ['idle and bound', (world) => tell(world, 0, invitation())],
    [
      'unconfirmed',
      async (world) => {
        await world.recording();
        world.graph.next('notRecording', lost(null));
        await world.run(world.stop(0));
      },
    ],
    [
      'starting, its handler gone',
      async (world) => {
        await tell(world, 0, invitation());
        world.graph.next('recording', { ...lost(null), pauseMs: 1 });
        void world.start(0);
        await world.clock.settle();
        world.crash(0);
      },
    ],
  ])('is ended while it is %s', (_, arrange) =>
    inWorld(times, async (world) => {
      await arrange(world);
      await world.clock.advance(soonestMs - roundMs);
      expect(await world.state()).not.toBe('ended');
      await world.clock.advance(latestMs + 10_000);
      expect(await world.state()).toBe('ended');
      expect(world.ends).toEqual(['silenceUnconfirmed']);
    }),
  );

  test('is ended, whatever a stranger tells of it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await keepHearing(world, () => tell(world, 1, callIs('established'), stranger));
      expect(await world.state()).toBe('ended');
    }));

  test('is left to expire when it is nobody’s and idle', () =>
    inWorld(times, async (world) => {
      await world.instances[0]!.gate.note('metadataUpdated', theCall, null, {});
      await world.clock.advance(3 * latestMs);
      expect(await world.state()).toBe('idle');
      expect(await world.events()).toEqual(['metadataUpdated']);
      expect(world.ends).toEqual([]);
    }));

  test('is left alone for ever where no time is set', () =>
    inWorld({ ttlMs: 3000, drainMs, graphTimeoutMs: 2000 }, async (world) => {
      await world.recording();
      await world.clock.advance(60 * 60_000);
      expect(await world.state()).toBe('recording');
      expect(world.count('idle')).toBe(0);
    }));

  test.each([3 * 24 * 60 * 60_000, -60 * 60_000])(
    'is neither silent nor forgotten because the clock of the store was set by %i ms',
    (byMs) =>
      inWorld(times, async (world) => {
        await tell(world, 0, invitation());
        await world.clock.advance(2 * roundMs);
        const before = await world.events();
        world.storeSkewMs = byMs;
        await world.clock.advance(2 * roundMs);
        expect(await world.store.calls.sweep(10)).toBe(0);
        expect(await world.events()).toEqual(before);
        expect(world.ends).toEqual([]);
        await world.clock.advance(silenceMs);
        expect(world.ends).toHaveLength(1);
      }),
  );
});

describe('a call is not silent', () => {
  test.each<[string, (world: World) => unknown]>([
    ['a keepAlive', (world) => world.instances[1]!.gate.touch(theCall)],
    ['a notification', (world) => tell(world, 1, callIs('established'))],
    ['a roster', (world) => tell(world, 1, roster([]))],
    ['an operation', (world) => tell(world, 1, operationEnded('op-7'))],
    ['a write', async (world) => (await world.admitted(1)).end()],
  ])('while there is %s on another instance', (_, hear) =>
    inWorld(times, async (world) => {
      await world.recording();
      await keepHearing(world, () => hear(world));
      expect(await world.state()).toBe('recording');
      await world.clock.advance(latestMs + 10_000);
      expect(await world.state()).toBe('ended');
    }),
  );

  test('while bytes of one write go on', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      await keepHearing(world, () => write.addBytes(1));
      expect(await world.state()).toBe('recording');
      await world.clock.advance(latestMs + 10_000);
      expect(await world.state()).toBe('ended');
    }));

  test('while its state changes', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await keepHearing(world, () => world.instances[1]!.gate.note('metadataUpdated', theCall, bot, {}));
      expect(await world.state()).toBe('recording');
    }));

  test('and costs one command a round, whatever is heard and of however many', () =>
    inWorld(times, async (world) => {
      const calls = Array.from({ length: 50 }, (_, n) => callNo(n + 1));
      for (const call of calls) await tell(world, 0, invitation({ call }));
      const before = world.count('touch');
      for (let times = 0; times < 100; times++)
        for (const call of calls) world.instances[1]!.gate.touch(call);
      await world.clock.advance(roundMs);
      expect(world.count('touch') - before).toBeLessThanOrEqual(2);
    }));
});

describe('Graph, asked for a silent call,', () => {
  test('keeps it when it knows it, and is asked again after the same time', () => {
    const graph = probing('found');
    return inWorld({ ...times, probe: graph.probe }, async (world) => {
      await world.recording();
      await world.clock.advance(latestMs);
      expect(graph.asked).toEqual([[theCall, bot]]);
      await world.clock.advance(2 * latestMs);
      expect(await world.state()).toBe('recording');
      expect(graph.asked.length).toBeLessThanOrEqual(4);
      graph.found = 'gone';
      await world.clock.advance(latestMs);
      expect(await causes(world)).toEqual(['silence']);
    });
  });

  test('ends it when it does not', () => {
    const graph = probing('gone');
    return inWorld({ ...times, probe: graph.probe }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      await world.clock.advance(latestMs + drainMs + roundMs);
      expect(write.wasCut).toBe(true);
      expect(world.ends).toEqual(['silence']);
      expect(await causes(world)).toEqual(['silence']);
    });
  });

  test('is asked again soon when it does not tell', () => {
    const graph = probing('unknown');
    return inWorld({ ...times, probe: graph.probe }, async (world) => {
      await world.recording();
      await world.clock.advance(3 * latestMs);
      expect(await world.state()).toBe('recording');
      const asked = graph.asked.length;
      expect(asked).toBeGreaterThan(10);
      graph.found = 'gone';
      await world.clock.advance(2 * roundMs);
      expect(await causes(world)).toEqual(['silence']);
    });
  });

  test('is not asked without a credential for the one it belongs to', () => {
    const graph = probing('noCredential');
    return inWorld({ ...times, probe: graph.probe }, async (world) => {
      await world.recording();
      await world.clock.advance(latestMs + drainMs);
      expect(await causes(world)).toEqual(['silenceUnconfirmed']);
    });
  });

  test('is not asked for a call that is nobody’s', () => {
    const graph = probing('found');
    return inWorld({ ...times, probe: graph.probe }, async (world) => {
      // A start without a credential that can be read binds nothing.
      const { gate } = world.instances[0]!;
      const { send, poll } = world.graph.exchange(theCall, 'recording', () => false);
      await world.run(gate.start({ call: theCall, by: null, send, poll, sendConfirmation: send }));
      expect((await world.view()).state).toMatchObject({ state: 'recording', binding: null });
      await world.clock.advance(latestMs + drainMs);
      expect(graph.asked).toEqual([]);
      expect(await causes(world)).toEqual(['silenceUnconfirmed']);
    });
  });
});
