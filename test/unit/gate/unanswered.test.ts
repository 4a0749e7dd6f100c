import { describe, expect, test } from '@jest/globals';
import type { Reached } from '../../../src/core/http/write-guard.ts';
import { discardMs } from '../../../src/gate/write.ts';
import { inWorld, type World } from '../../support/gate.ts';

const drainMs = 1000;
const times = { ttlMs: 3000, drainMs, graphTimeoutMs: 2000 };

/** What the evidence says of the writes of the interval that ended, and of its holders. */
async function told(world: World): Promise<Readonly<Record<string, unknown>>> {
  const drained = (await world.records()).find(({ event }) => event === 'drained');
  return drained?.detail ?? {};
}

describe('a write that ends without its answer', () => {
  test.each<[Reached, object]>([
    ['whole', { admitted: 1, aborted: 0, unanswered: 1 }],
    ['part', { admitted: 1, aborted: 1, unanswered: 0 }],
    ['nothing', { admitted: 1, aborted: 1, unanswered: 0 }],
  ])('counts by how much of it may be with its handler (%s), at the moment of the cut', (reached, writes) =>
    inWorld(times, async (world) => {
      await world.recording();
      const one = await world.admitted(1);
      one.write.onMeasure(() => (one.wasCut ? 'nothing' : reached));
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(one.wasCut).toBe(true);
      expect(await told(world)).toMatchObject({ writes, holders: [{ ...writes, left: 'cut' }] });
    }),
  );

  test('counts the same when its client or its handler ends it, and not when it was answered', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [answered, given, broken] = [
        await world.admitted(1),
        await world.admitted(1),
        await world.admitted(1),
      ];
      for (const { write } of [answered, given]) write.onMeasure(() => 'whole');
      answered.write.end(true);
      given.write.end(false);
      broken.write.end(false);
      for (const one of [answered, given, broken]) one.isOver = true;
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect((await told(world)).writes).toEqual({
        ...{ admitted: 3, aborted: 1, unanswered: 1, refused: 0, bytes: 0 },
      });
    }));
});

describe('a handler that can discard', () => {
  const early = drainMs - discardMs(drainMs);

  test('is asked so early that it can answer within the drain limit, and the stop goes as soon as it has', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [mine, other] = [await world.admitted(1), await world.admitted(1)];
      let agree!: (agreed: boolean) => void;
      const asked: number[] = [];
      mine.write.onMeasure(() => 'whole');
      mine.write.onDiscard((withinMs) => {
        asked.push(world.clock.now(), withinMs);
        return new Promise((resolve) => (agree = resolve));
      });
      const began = world.clock.now();
      const stop = world.stop(0);
      await world.clock.advance(early - 1);
      expect([mine.write.wasCut, asked]).toEqual([false, []]);
      await world.clock.advance(1);
      expect([mine.write.wasCut, other.write.wasCut]).toEqual([true, false]);
      expect(asked).toEqual([began + early, discardMs(drainMs)]);
      other.end();
      await world.clock.advance(10);
      expect(world.graph.log).toEqual(['recording']);
      agree(true);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(world.clock.now() - began).toBeLessThan(drainMs);
      expect(await told(world)).toMatchObject({
        writes: { admitted: 2, aborted: 0, unanswered: 1, discarded: 1, notDiscarded: 0 },
        holders: [{ left: 'cut', discarded: 1, notDiscarded: 0, notDiscardedIds: [] }],
      });
    }));

  test.each<[string, () => Promise<boolean>]>([
    ['does not answer', () => new Promise<boolean>(() => undefined)],
    ['refuses', () => Promise.resolve(false)],
    ['fails', () => Promise.reject(new Error('no handler'))],
  ])(
    'but %s delays the stop no longer than the drain limit, and the evidence names the writes',
    (_, answer) =>
      inWorld(times, async (world) => {
        await world.recording();
        const ids: string[] = [];
        for (let count = 0; count < 20; count++) {
          const { write } = await world.admitted(1);
          write.onDiscard(answer);
          ids.push(write.id);
        }
        const began = world.clock.now();
        expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
        expect(world.clock.now() - began).toBeLessThan(drainMs + 100);
        expect(await told(world)).toMatchObject({
          writes: { aborted: 20, discarded: 0, notDiscarded: 20 },
          holders: [{ notDiscarded: 20, notDiscardedIds: ids.slice(0, 16) }],
        });
      }),
  );

  test('is asked for what ends unanswered while the gate closes, not for what did before, nor for what it never got', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const asked: string[] = [];
      const admit = async (name: string, reached: Reached): ReturnType<World['admitted']> => {
        const one = await world.admitted(1);
        one.write.onMeasure(() => reached);
        one.write.onDiscard(() => {
          asked.push(name);
          return Promise.resolve(true);
        });
        return one;
      };
      const leave = (one: Awaited<ReturnType<World['admitted']>>): void => {
        one.write.end(false);
        one.isOver = true;
      };
      leave(await admit('before', 'whole'));
      const during = await admit('during', 'whole');
      await admit('never sent', 'nothing');
      (await admit('answered', 'whole')).end();
      const stop = world.stop(0);
      await world.clock.advance(10);
      leave(during);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(asked).toEqual(['during']);
    }));

  test('is asked without being waited for where there is no time to drain', () =>
    inWorld({ ...times, drainMs: 0 }, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      let asked = 0;
      write.onDiscard(() => {
        asked += 1;
        return new Promise(() => undefined);
      });
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(asked).toBe(1);
      expect(await told(world)).toMatchObject({ writes: { notDiscarded: 1 } });
    }));

  test('is asked when the session is lost, too', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      const asked: unknown[] = [];
      write.onDiscard(() => {
        asked.push(write.stopReason);
        return Promise.resolve(true);
      });
      world.fail('heartbeat', 'before', { instance: 1, times: 3 });
      await world.clock.advance(times.ttlMs);
      expect(asked).toEqual(['SessionLost']);
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(await told(world)).toMatchObject({ holders: [{ left: 'expired', discarded: 1 }] });
    }));
});

describe('why a write is cut', () => {
  test('is told truly: the recording ended', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      await world.run(world.stop(0));
      expect([write.wasCut, write.stopReason]).toEqual([true, 'RecordingStopped']);
    }));

  test('is told truly: the instance leaves, and recording goes on', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      await world.run(world.instances[1]!.gate.close());
      expect([write.wasCut, write.stopReason]).toEqual([true, 'ShuttingDown']);
      await world.run(world.stop(0));
      expect(await told(world)).toMatchObject({ holders: [{ left: 'shutDown', aborted: 1 }] });
    }));

  test('is told truly: the instance leaves, and meanwhile recording ends', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      const closing = world.instances[1]!.gate.close();
      await world.clock.advance(drainMs / 2);
      expect(write.stopReason).toBe('ShuttingDown');
      const stop = world.stop(0);
      await world.run(closing);
      expect([write.wasCut, write.stopReason]).toEqual([true, 'RecordingStopped']);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(await told(world)).toMatchObject({ holders: [{ left: 'cut' }] });
    }));

  test('is told truly: the session is lost, whether its timers have fired or not', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const { write } = await world.admitted(1);
      world.clock.jump(times.ttlMs);
      expect([write.mayContinue(), write.wasCut, write.stopReason]).toEqual([false, false, 'SessionLost']);
      await world.clock.advance(0);
      expect([write.wasCut, write.stopReason]).toEqual([true, 'SessionLost']);
    }));
});

test('no two writes have one id, on whichever instance', () =>
  inWorld(times, async (world) => {
    await world.recording();
    const ids: string[] = [];
    for (const instance of [0, 1, 0, 1]) {
      const one = await world.admitted(instance);
      ids.push(one.write.id);
      one.end();
    }
    expect(new Set(ids).size).toBe(4);
    expect(ids.every((id) => /^[\x21-\x7e]{1,128}$/.test(id))).toBe(true);
  }));
