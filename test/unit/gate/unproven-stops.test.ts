import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import type { UnprovenStop } from '../../../src/gate/unproven-stops.ts';
import { bot, inWorld, stranger, theCall, unavailable, type World } from '../../support/gate.ts';

const ttlMs = 3000;
const drainMs = 1000;
const times = { ttlMs, drainMs, graphTimeoutMs: 2000 };

type Word = 'accepted' | 'refused' | 'unanswered';

/** A stop on instance 1 of which Graph cannot say anything until `word` is told. */
function unproven(world: World, changes: Partial<UnprovenStop> = {}) {
  const graph = { word: 'unanswered' as Word, asked: 0, stops: 0 };
  const stop: UnprovenStop = {
    call: theCall,
    by: bot,
    cause: 'notRecording',
    from: '192.0.2.1',
    name: 'token',
    detail: { requestId: 'r' },
    ask: () => {
      graph.asked += 1;
      return Promise.resolve(graph.word);
    },
    stop: () => {
      graph.stops += 1;
      return world.stop(1);
    },
    ...changes,
  };
  const held = world.run(world.instances[1]!.gate.holdClosed(stop)).then((hold) => {
    // Graph has not answered the request itself.
    hold?.keepAsking();
    return hold !== undefined;
  });
  return { graph, held };
}

describe('a stop that Graph cannot confirm now', () => {
  test('closes the gate here, and nowhere else, for as long as Graph is silent', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [elsewhere, here] = [await world.admitted(0), await world.admitted(1)];
      const { graph, held } = unproven(world);
      expect(await held).toBe(true);
      expect(world.instances[1]!.gate.admitNow(theCall, bot)).toRefuse('RecordingNotActive');
      await world.clock.advance(drainMs);
      expect([elsewhere.isLive, here.isLive]).toEqual([true, false]);
      await world.clock.advance(60_000);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.admitted(0);
      expect(graph.asked).toBeGreaterThan(3);
      expect(await world.state()).toBe('recording');
      expect((await world.events()).filter((event) => event === 'stopUnproven')).toHaveLength(1);
    }));

  test('becomes an ordinary stop when Graph accepts the token', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const elsewhere = await world.admitted(0);
      const { graph, held } = unproven(world);
      await held;
      graph.word = 'accepted';
      await world.clock.advance(5000);
      expect(graph.stops).toBe(1);
      expect(elsewhere.isLive).toBe(false);
      expect(await world.state()).toBe('idle');
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      await world.recording();
      await world.admitted(1);
    }));

  test('opens the same recording again when Graph refuses the token', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const short = await world.admitted(1);
      const { graph, held } = unproven(world);
      await held;
      short.end();
      graph.word = 'refused';
      await world.clock.advance(5000);
      const again = await world.admitted(1);
      await world.clock.advance(drainMs);
      expect(again.isLive).toBe(true);
      expect([graph.stops, await world.state()]).toEqual([0, 'recording']);
      // Its hold is good for a real stop.
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(again.isLive).toBe(false);
    }));

  test('admits nothing of a recording again that is being stopped elsewhere, told here or not', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const elsewhere = await world.admitted(0);
      await unproven(world).held;
      // Neither the announcement nor a revocation arrives here.
      world.weather = ({ name }) =>
        name === 'announceStop' || name === 'revoke' ? { before: unavailable } : {};
      const stop = world.stop(0);
      await world.clock.advance(2000);
      expect(world.instances[1]!.gate.admitNow(theCall, bot)?.ok).not.toBe(true);
      elsewhere.end();
      world.weather = () => ({});
      await world.run(stop);
    }));

  test('keeps an acquire that is under way from admitting anything', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.instances[1]!.gate.bindingOf(theCall));
      const reply = world.hold('acquire', 'after', { instance: 1 });
      const write = world.write(1);
      await world.clock.settle();
      const { graph, held } = unproven(world);
      await held;
      reply.release();
      expect(await world.run(write)).toRefuse('RecordingNotActive');
      graph.word = 'refused';
      await world.clock.advance(5000);
      await world.admitted(1);
    }));

  test.each([
    ['a token that names somebody else', { by: stranger }],
    ['a call that nobody is bound to', { call: parseCallKey('9'.repeat(32))! }],
  ])('is not held for %s', (_, changes) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      expect(await unproven(world, changes).held).toBe(false);
      await world.clock.advance(drainMs);
      expect(write.isLive).toBe(true);
      expect(await world.events()).not.toContain('stopUnproven');
    }),
  );

  test('has its say until every token is refused', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const forged = unproven(world, { name: 'forged' });
      const good = unproven(world, { name: 'good' });
      await Promise.all([forged.held, good.held]);
      forged.graph.word = 'refused';
      await world.clock.advance(20_000);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      good.graph.word = 'accepted';
      await world.clock.advance(20_000);
      expect(await world.state()).toBe('idle');
    }));

  test('gives way to a stop that is proven, and to the recording after it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const { graph, held } = unproven(world);
      await held;
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      await world.recording(0);
      await world.admitted(1);
      graph.word = 'accepted';
      await world.clock.advance(60_000);
      expect([graph.stops, await world.state()]).toEqual([0, 'recording']);
    }));

  test('is held for so many calls of one client address and no more; another address has its own', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const call = (n: number) => parseCallKey(n.toString(16).padStart(32, '0'))!;
      for (let n = 0; n < 52; n++) await world.run(world.start(1, { call: call(n) }));
      const ask = (n: number, from: string): Promise<boolean> =>
        unproven(world, { call: call(n), from }).held;
      const held: boolean[] = [];
      for (let n = 0; n < 51; n++) held.push(await ask(n, '192.0.2.1'));
      expect(held.filter(Boolean)).toHaveLength(50);
      expect(await ask(51, '192.0.2.2')).toBe(true);
    }));

  test('of a call that is not recorded is over at once', () =>
    inWorld(times, async (world) => {
      await world.run(world.instances[1]!.gate.bind(theCall, bot));
      const { held } = unproven(world);
      expect(await held).toBe(true);
      await world.clock.advance(10);
      await world.recording(0);
      await world.admitted(1);
    }));
});
