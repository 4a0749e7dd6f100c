import { describe, expect, test } from '@jest/globals';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { sleep } from '../../../src/gate/context.ts';
import { Operations } from '../../../src/gate/operations.ts';
import { bot, inWorld, theCall, type World } from '../../support/gate.ts';
import { pending } from '../../support/gate-graph.ts';
import { callNo, invitation, operationEnded, tell } from '../../support/notices.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 5000;
const times = { ttlMs, drainMs, graphTimeoutMs };

interface Pending {
  readonly started: ReturnType<World['start']>;
}

/** A start whose operation goes on and is read once a second by now; the next reading is 900 ms away. */
async function pendingStart(world: World): Promise<Pending> {
  await tell(world, 0, invitation());
  world.graph.next('recording', pending('op-7'));
  const started = world.start(0);
  await world.clock.advance(2600);
  return { started };
}

describe('the end of the operation of a start', () => {
  test.each<[string, Notice]>([
    ['as it was spelled', operationEnded('op-7')],
    ['in another letter case', operationEnded('OP-7')],
    ['of a type that does not tell what it was', operationEnded('op-7', { type: 'unknown' })],
  ])('is read at once when Graph tells of it, %s', (_, notice) =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      const { polls } = world.graph;
      world.graph.complete('op-7');
      await tell(world, 0, notice);
      expect(await world.run(started, 0)).toMatchObject({ ok: true, value: { open: true } });
      expect(world.graph.polls).toBe(polls + 1);
      expect(world.outcomes).toEqual(['learned', 'awaited']);
      await world.admitted(1);
    }),
  );

  test('is what its reading says, not what was told', () =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      const { polls } = world.graph;
      for (let told = 0; told < 3; told++) await tell(world, 0, operationEnded('op-7'));
      expect(world.graph.polls).toBe(polls + 3);
      expect(await world.state()).toBe('starting');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');

      world.graph.operation = (id) => ({ status: 200, body: { id, status: 'failed' } });
      await tell(world, 0, operationEnded('op-7'));
      expect(await world.run(started, 0)).toMatchObject({ ok: true, value: { open: false } });
      expect((await world.events()).at(-1)).toBe('startRefused');
    }));

  test('told to another instance changes nothing there, and is read by the one that awaits it', () =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      const [before, { polls }] = [await world.view(), world.graph];
      world.graph.complete('op-7');
      await tell(world, 1, [operationEnded('op-7'), operationEnded('OP-7')]);
      expect(world.outcomes).toEqual(['learned', 'awaited', 'awaited']);
      expect(await world.view()).toEqual({ ...before, now: expect.any(Number) });
      expect(world.graph.polls).toBe(polls);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      expect(await world.run(started, 1000)).toMatchObject({ ok: true, value: { open: true } });
    }));

  test.each<[string, Notice, string]>([
    ['another operation', operationEnded('op-8'), 'unknownOperation'],
    ['an operation that is no status change', operationEnded('op-7', { type: 'other' }), 'otherOperation'],
    ['an operation that goes on', operationEnded('op-7', { final: false }), 'known'],
  ])('is not told by %s', (_, notice, outcome) =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      const [before, { polls }] = [await world.view(), world.graph];
      world.graph.complete('op-7');
      await tell(world, 0, notice);
      await tell(world, 1, notice);
      expect(world.outcomes).toEqual(['learned', outcome, outcome]);
      expect((await world.view()).state).toEqual(before.state);
      expect(world.graph.polls).toBe(polls);
      expect(await world.run(started)).toMatchObject({ ok: true, value: { open: true } });
    }),
  );

  test('is not told by the same operation of another call', () =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      const { polls } = world.graph;
      await tell(world, 0, operationEnded('op-7', { call: callNo(1) }));
      expect(world.outcomes).toEqual(['learned', 'unknownOperation']);
      expect(world.graph.polls).toBe(polls);
      world.graph.complete('op-7');
      await world.run(started);
    }));

  test('is read once more when it is told while it is being read', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, invitation());
      world.graph.next('recording', pending('op-7'));
      const { send, poll } = world.graph.exchange(theCall, 'recording', () => false);
      let polls = 0;
      const started = world.instances[0]!.gate.start({
        call: theCall,
        by: bot,
        send,
        poll: async (id) => {
          polls += 1;
          // Graph says how it was when it was asked; its answer takes its time.
          const answer = await poll(id);
          await sleep(world.clock, 500);
          return answer;
        },
        sendConfirmation: send,
      });
      await world.clock.advance(3000);
      while (polls < 4) await world.clock.advance(10);
      await world.clock.advance(100);
      world.graph.complete('op-7');
      await tell(world, 0, operationEnded('op-7'));
      // The reading under way, and the one after it; without the notification it would come a second later.
      expect(await world.run(started, 400 + 500)).toMatchObject({ ok: true, value: { open: true } });
    }));

  test('that never comes leaves the gate closed after the deadline, whatever is told later', () =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      expect(await world.run(started)).toMatchObject({ ok: true, value: { open: false } });
      expect(world.clock.now()).toBeLessThanOrEqual(2 * graphTimeoutMs);
      const before = await world.view();
      expect(before.state).toMatchObject({ state: 'idle', exchange: null });
      const { polls } = world.graph;
      world.graph.complete('op-7');
      for (const index of [0, 1]) await tell(world, index, operationEnded('op-7'));
      await world.clock.advance(20 * graphTimeoutMs);
      expect(world.outcomes).toEqual(['learned', 'unknownOperation', 'unknownOperation']);
      expect((await world.view()).state).toEqual(before.state);
      expect(world.graph.polls).toBe(polls);
      for (const index of [0, 1]) expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
    }));

  test('is in the evidence when it is awaited and when it is known', () =>
    inWorld(times, async (world) => {
      const { started } = await pendingStart(world);
      expect((await world.view()).state?.exchange).toMatchObject({ kind: 'start', operation: 'op-7' });
      world.graph.complete('op-7');
      await tell(world, 0, operationEnded('op-7'));
      await world.run(started, 0);
      const records = (await world.records()).slice(-2);
      expect(records.map(({ event }) => event)).toEqual(['operationPending', 'startConfirmed']);
      expect(records.map(({ detail }) => detail.operation)).toEqual(['op-7', 'op-7']);
    }));
});

describe('the end of the operation of a stop', () => {
  test('is read at once when Graph tells of it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', pending('op-8'));
      const stop = world.stop(1);
      await world.clock.advance(2600);
      expect(await world.state()).toBe('unconfirmed');
      world.graph.complete('op-8');
      await tell(world, 1, operationEnded('op-8'));
      expect(await world.run(stop, 0)).toMatchObject({ ok: true, value: { outcome: { kind: 'completed' } } });
      expect(await world.state()).toBe('idle');
    }));

  test('of a repeated recording is read at once, and changes no gate', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.graph.next('recording', pending('op-9'));
      const repeated = world.start(0);
      await world.clock.advance(2600);
      world.graph.operation = (id) => ({ status: 200, body: { id, status: 'failed' } });
      await tell(world, 0, operationEnded('op-9'));
      expect(await world.run(repeated, 0)).toMatchObject({ ok: true, value: { open: true } });
      expect(write.isLive).toBe(true);
    }));
});

describe('an operation that is awaited', () => {
  const setUp = () => {
    const clock = new VirtualClock();
    const operations = new Operations(clock);
    const awaited = operations.await(theCall, 'op');
    const woken: number[] = [];
    const pause = async (ms: number): Promise<void> => {
      await awaited.pause(ms);
      woken.push(clock.now());
    };
    return { clock, operations, awaited, woken, pause };
  };

  test('is paused for its time, unless it is told', async () => {
    const { clock, operations, pause, woken } = setUp();
    void pause(100);
    await clock.advance(500);
    void pause(100);
    await clock.advance(40);
    expect(operations.wake(theCall, 'op')).toBe(true);
    await clock.advance(500);
    expect(woken).toEqual([100, 540]);
  });

  test('that was told before the first pause is not paused for, once', async () => {
    const { clock, operations, pause, woken } = setUp();
    operations.wake(theCall, 'op');
    void pause(100);
    await clock.settle();
    void pause(100);
    await clock.advance(500);
    expect(woken).toEqual([0, 100]);
  });

  test.each(['its time', 'being told'])('that is told after a pause that ended by %s', async (how) => {
    const { clock, operations, pause, woken } = setUp();
    void pause(100);
    await clock.advance(50);
    if (how === 'being told') operations.wake(theCall, 'op');
    await clock.advance(50);
    operations.wake(theCall, 'op');
    void pause(100);
    await clock.settle();
    expect(woken).toHaveLength(2);
  });

  test('is nobody else’s, and nobody’s when it is closed', () => {
    const { operations, awaited } = setUp();
    expect(operations.wake(theCall, 'op-2')).toBe(false);
    expect(operations.wake(callNo(1), 'op')).toBe(false);
    expect(operations.wake(theCall, 'OP')).toBe(true);
    awaited.close();
    expect(operations.wake(theCall, 'op')).toBe(false);
  });

  test('again is not closed by the one before', () => {
    const { operations, awaited } = setUp();
    operations.await(theCall, 'op');
    awaited.close();
    expect(operations.wake(theCall, 'op')).toBe(true);
  });
});
