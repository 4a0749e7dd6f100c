import { describe, expect, test } from '@jest/globals';
import {
  bot,
  inWorld,
  stranger,
  theCall,
  unavailable,
  type Command,
  type World,
} from '../../support/gate.ts';
import { completed, lost } from '../../support/gate-graph.ts';
import type { CallEnd } from '../../../src/core/call/ends.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

/** The store goes on answering heartbeats and lets holders in, but takes no change. */
const refusesChanges = (world: World, ...names: Command['name'][]): void => {
  const refused = names.length === 0 ? (['commit'] as const) : names;
  world.weather = ({ name }) =>
    (refused as readonly string[]).includes(name) ? { before: unavailable } : {};
};

describe('rule R6: a stop closes first', () => {
  test.each([
    ['refuses every change', ['commit']],
    ['refuses to be read', ['read', 'commit']],
    ['refuses every change and every revocation', ['commit', 'revoke', 'leave']],
    ['answers nothing but heartbeats and holders', ['read', 'commit', 'revoke', 'leave', 'announceStop']],
  ] as const)('here, at once and for good, where the store %s', (_, names) =>
    inWorld({ ...times, instances: 1 }, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      refusesChanges(world, ...names);
      const stop = world.stop(0);
      // Before anything was asked.
      expect(world.instances[0]!.gate.admitNow(theCall, bot)).toBeUndefined();
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      await world.clock.advance(drainMs - 1);
      expect(write.wasCut).toBe(false);
      await world.clock.advance(1);
      expect(write.wasCut).toBe(true);
      const stopped = await world.run(stop);
      expect(stopped).toRefuse('StoreUnavailable');
      expect(stopped).toMatchObject({
        detail: expect.stringContaining('closed on this instance') as unknown,
      });
      for (let waited = 0; waited < 20; waited++) {
        expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
        await world.clock.advance(ttlMs);
      }
      expect(world.graph.log).toEqual(['recording']);
    }),
  );

  test('on every instance, by the wake-up channel, where the store takes no change', () =>
    inWorld({ ...times, instances: 3 }, async (world) => {
      await world.recording();
      const writes = [await world.admitted(1), await world.admitted(2)];
      refusesChanges(world);
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      await world.clock.advance(drainMs);
      expect(writes.map(({ wasCut }) => wasCut)).toEqual([true, true]);
      for (let waited = 0; waited < 10; waited++) {
        for (const index of [0, 1, 2])
          expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
        await world.clock.advance(ttlMs);
      }
    }));

  test('also where an acquire of the call is still under way', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording();
      const reply = [0, 1].map((instance) => world.hold('acquire', 'after', { instance }));
      const writes = [world.write(0), world.write(1)];
      await world.clock.settle();
      refusesChanges(world);
      const stop = world.stop(0);
      await world.clock.settle();
      for (const held of reply) held.release();
      for (const write of writes) expect(await world.run(write)).toRefuse('RecordingNotActive');
      expect(await world.run(stop)).toRefuse('StoreUnavailable');
    }));

  test('for a while, where another instance announces a stop without knowing of which recording, however late', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      await world.run(world.store.sessions.announceStop({ call: theCall, epoch: null, from: 'another' }));
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.clock.advance(10_000);
      expect(write.wasCut).toBe(true);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.clock.advance(10_000);
      await world.admitted(1);
    }));

  test('but a start that could not confirm an earlier stop closes no later recording', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(0));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');
      let reads = 0;
      world.weather = ({ instance, name }) =>
        instance === 1 && (name === 'commit' || (name === 'read' && ++reads > 1))
          ? { before: unavailable }
          : {};
      expect(await world.run(world.start(1))).toRefuse('StoreUnavailable');
      expect(reads).toBeGreaterThan(1);
      world.calm();
      world.weather = () => ({});
      expect(await world.run(world.start(0))).toMatchObject({ ok: true, value: { open: true } });
      await world.admitted(1);
    }));

  test('but a stop that another takes the place of closes no later recording', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording(1);
      let isDown = false;
      let reads = 0;
      let goOn = (): void => undefined;
      const gone = new Promise<void>((resolve) => (goOn = resolve));
      // The first is stored, and then waits for the store until it is gone.
      world.weather = ({ instance, name }) => {
        if (instance !== 0 || (name !== 'read' && name !== 'commit')) return {};
        if (isDown) return { before: unavailable };
        return name === 'read' && ++reads > 1 ? { before: () => gone.then(unavailable) } : {};
      };
      const stop = world.stop(0);
      await world.clock.settle();
      expect(reads).toBe(2);
      isDown = true;
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      goOn();
      expect(await world.run(stop)).toRefuse('StoreUnavailable');
      world.weather = () => ({});
      await world.clock.advance(10 * ttlMs);
      expect(await world.state()).toBe('idle');
      await world.recording(1);
      await world.admitted(0);
    }));

  test('but not a stop of a stranger, whom a grant tells', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      refusesChanges(world, 'read', 'commit');
      expect(await world.run(world.stop(1, 'notRecording', { by: stranger }))).toRefuse('CallNotFound');
      await world.clock.advance(drainMs);
      expect(write.isLive).toBe(true);
      await world.admitted(1);
    }));

  test('a stranger whom nothing tells here closes a call for no longer than the store takes to tell', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const read = world.hold('read', 'before', { instance: 1 });
      const stop = world.stop(1, 'notRecording', { by: stranger });
      await world.clock.settle();
      expect(read.reached).toBe(true);
      // A holder's reply tells whose the call is just as well.
      const write = await world.admitted(1);
      read.release();
      expect(await world.run(stop)).toRefuse('CallNotFound');
      expect(write.isLive).toBe(true);
    }));

  test('a stranger whom the store does not tell is not announced either', () =>
    inWorld({ ...times, instances: 3 }, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.weather = ({ instance, name }) =>
        instance === 2 && name === 'read' ? { before: unavailable } : {};
      expect(await world.run(world.stop(2, 'notRecording', { by: stranger }))).toRefuse('StoreUnavailable');
      await world.clock.advance(10 * ttlMs);
      expect(world.count('announceStop')).toBe(0);
      expect(write.isLive).toBe(true);
      world.calm();
      await world.clock.advance(2 * ttlMs);
      expect(await world.events()).toEqual(['startRequested', 'startConfirmed']);
      await world.admitted(2);
    }));

  test('holds for the owner where nothing tells whose the call is', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.weather = ({ instance, name }) =>
        instance === 1 && name === 'read' ? { before: unavailable } : {};
      expect(await world.run(world.stop(1))).toRefuse('StoreUnavailable');
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
    }));

  test.each(['terminated', 'deleted'] as const)(
    'also for a notification that the call is %s',
    (end: CallEnd) =>
      inWorld(times, async (world) => {
        await world.recording();
        const write = await world.admitted(0);
        refusesChanges(world);
        world.instances[0]!.gate.receiveNotices(bot, [
          {
            kind: 'call',
            call: theCall,
            changeType: end === 'deleted' ? 'deleted' : 'updated',
            state: end === 'deleted' ? null : 'terminated',
            facts: { applicationInstance: null } as never,
            result: null as never,
          },
        ]);
        expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
        await world.clock.advance(drainMs);
        expect(write.wasCut).toBe(true);
        world.calm();
        await world.clock.advance(3 * ttlMs);
        expect(await world.state()).toBe('ended');
      }),
  );

  test('also where Graph says that the call is gone', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      refusesChanges(world, 'read', 'commit');
      await world.run(world.instances[1]!.gate.callEnded(theCall, bot, 'keepAliveNotFound'));
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.clock.advance(drainMs);
      expect(write.isLive).toBe(false);
      world.calm();
      await world.clock.advance(3 * ttlMs);
      expect(await world.state()).toBe('ended');
    }));

  test('a later recording opens again, on every instance', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      await world.recording(1);
      await world.admitted(0);
      await world.admitted(1);
    }));

  test.each([0, 1])('a start on instance %i does not confirm what was to be stopped', (index) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      refusesChanges(world);
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      world.calm();
      // Faster than the stop that is repeated.
      await world.recording(index);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
      await world.admitted(0);
      await world.clock.advance(10 * ttlMs);
      expect(await world.state()).toBe('recording');
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
    }),
  );
});

describe('a stop that could not be completed', () => {
  test('is repeated by the instance that heard it, and Graph is told once it is drained', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      refusesChanges(world);
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      await world.clock.advance(4 * ttlMs);
      expect(world.graph.log).toEqual(['recording']);
      world.calm();
      await world.clock.advance(3 * ttlMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.state()).toBe('idle');
    }));

  test.each(['read', 'commit', 'revoke', 'leave'] as const)(
    'for whatever step of it the store has refused (%s)',
    (name) =>
      inWorld(times, async (world) => {
        await world.recording();
        await world.admitted(0);
        await world.admitted(1);
        for (let step = 0; step < 8; step++) {
          let seen = 0;
          world.weather = (command) =>
            command.name === name && seen++ >= step ? { before: unavailable } : {};
          void world.stop(0);
          await world.clock.advance(drainMs + 3 * ttlMs);
          world.calm();
          await world.clock.advance(drainMs + 3 * ttlMs);
          // What Graph had answered by then is not asked for again: the next start confirms it.
          expect(['idle', 'unconfirmed']).toContain(await world.state());
          expect(world.graph.log.filter((asked) => asked === 'notRecording').length).toBeGreaterThan(step);
          await world.recording(0);
          await world.admitted(1);
        }
      }),
  );

  test('is not sent twice because the bot asks again', () =>
    inWorld(times, async (world) => {
      await world.recording();
      refusesChanges(world);
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      world.calm();
      world.graph.next('notRecording', { ...completed(), answerAfterMs: 1500 });
      // The stop that is repeated is with Graph by now.
      await world.clock.advance(1000);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.run(world.stop(0))).toMatchObject({
        ok: true,
        value: { outcome: { kind: 'completed' } },
      });
      await world.clock.advance(10 * ttlMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      // It was for what was recorded then, and closes nothing later.
      await world.recording(1);
      await world.admitted(0);
    }));

  test('is left to the bot that asks again before its turn', () =>
    inWorld(times, async (world) => {
      await world.recording();
      refusesChanges(world);
      for (let asked = 0; asked < 5; asked++)
        expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      world.calm();
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      await world.clock.advance(10 * ttlMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test('lapses once a later start is stored', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.weather = ({ instance, name }) =>
        instance === 0 && (name === 'commit' || name === 'announceStop') ? { before: unavailable } : {};
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      // Asked for elsewhere, the call is stopped and recorded anew.
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      await world.recording(1);
      world.calm();
      await world.clock.advance(10 * ttlMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
      expect(await world.state()).toBe('recording');
      await world.admitted(0);
    }));

  test('is given up after some minutes; the gate stays closed here', () =>
    inWorld({ ...times, instances: 1 }, async (world) => {
      await world.recording();
      refusesChanges(world);
      await world.run(world.stop(0));
      await world.clock.advance(11 * 60_000);
      const tried = world.count('commit');
      await world.clock.advance(60_000);
      expect(world.count('commit')).toBe(tried);
      world.calm();
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    }));

  test('does not outlive its instance', () =>
    inWorld(times, async (world) => {
      await world.recording();
      refusesChanges(world);
      await world.run(world.stop(0));
      world.calm();
      await world.run(world.instances[0]!.gate.close());
      await world.clock.advance(10 * ttlMs);
      expect(world.graph.log).toEqual(['recording']);
    }));

  test('by a hang-up is sent as one, and a notRecording that comes later does not take its place', () =>
    inWorld(times, async (world) => {
      await world.recording();
      refusesChanges(world);
      expect(await world.run(world.stop(0, 'hangUp'))).toRefuse('StoreUnavailable');
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      world.calm();
      await world.clock.advance(3 * ttlMs);
      expect(world.graph.log).toEqual(['recording', 'hangUp']);
      expect(await world.state()).toBe('ended');
    }));
});

test('the bound of a stop counts what preceded it', () =>
  inWorld(times, async (world) => {
    await world.recording();
    await world.admitted(1);
    world.fail('leave', 'before', { instance: 1, times: 1000 });
    await world.clock.advance(2 * ttlMs);
    const askedAt = world.clock.now() - ttlMs;
    const began = world.clock.now();
    expect(await world.run(world.stop(0, 'notRecording', { askedAt }))).toRefuse('DrainTimeout');
    expect(world.clock.now() - began).toBeLessThanOrEqual(drainMs + 50);
  }));

test('the bound of a stop counts the attempt under way that it joins', () =>
  inWorld(times, async (world) => {
    await world.recording();
    await world.admitted(1);
    world.fail('leave', 'before', { instance: 1, times: 1000 });
    expect(await world.run(world.stop(0))).toRefuse('DrainTimeout');
    // The stop is being repeated by then.
    await world.clock.advance(drainMs);
    const began = world.clock.now();
    const again = world.instances[0]!.gate.stop({ call: theCall, by: bot, cause: 'notRecording' });
    expect(await world.run(again)).toRefuse('DrainTimeout');
    expect(world.clock.now() - began).toBeLessThanOrEqual(drainMs + ttlMs + 50);
  }));

test('each attempt to repeat a stop has the whole bound, whenever it was asked for', () =>
  inWorld(times, async (world) => {
    await world.recording();
    await world.admitted(1);
    world.fail('leave', 'before', { instance: 1, times: 1000 });
    expect(await world.run(world.stop(0, 'notRecording', { askedAt: world.clock.now() }))).toRefuse(
      'DrainTimeout',
    );
    await world.clock.advance(drainMs + ttlMs - 100);
    const events = (await world.records()).map(({ event }) => event);
    expect(events.slice(-3)).toEqual(['stopRequested', 'stopDeferred', 'stopTakenOver']);
  }));

test('a stop goes through on an instance that has no session', () =>
  inWorld(times, async (world) => {
    await world.recording();
    await world.admitted(0);
    // As a full store does: no session is extended and none begun, everything that closes is taken.
    world.weather = ({ name }) => (name === 'heartbeat' || name === 'join' ? { before: unavailable } : {});
    await world.clock.advance(2 * ttlMs);
    expect(world.instances[0]!.gate.isReady()).toBe(false);
    expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    expect((await world.records()).find(({ event }) => event === 'stopRequested')?.instance).toBe('none');
  }));
