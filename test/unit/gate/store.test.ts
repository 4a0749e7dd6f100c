import { describe, expect, test } from '@jest/globals';
import { inWorld, theCall, unavailable, type Command, type World } from '../../support/gate.ts';
import { completed, pending } from '../../support/gate-graph.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

type Moment = 'before' | 'after';
type Failure = readonly [name: Command['name'], n: number, moment: Moment];

/** The first commands with these names, each failing before it takes effect and after. */
const failures = (counts: Partial<Record<Command['name'], number>>): Failure[] =>
  Object.entries(counts).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, n) => n).flatMap((n) =>
      (['before', 'after'] as const).map((moment) => [name as Command['name'], n, moment] as const),
    ),
  );

/** Lets the nth such command of this instance fail, counted from now. */
const failNth = (world: World, instance: number, [name, n, moment]: Failure): void => {
  let seen = 0;
  world.weather = (command) =>
    command.name === name && command.instance === instance && seen++ === n ? { [moment]: unavailable } : {};
};

/** Whatever has happened: the call can be stopped and recorded again. */
async function recovers(world: World): Promise<void> {
  world.calm();
  await world.clock.advance(10 * (ttlMs + drainMs + graphTimeoutMs));
  expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
  expect(world.live()).toEqual([]);
  await world.clock.advance(graphTimeoutMs);
  await world.recording(0);
  await world.admitted(1);
}

describe('a store that fails once', () => {
  test.each(failures({ read: 2, commit: 2 }))(
    'during a start (%s %i, %s its effect) opens nothing that Graph has not confirmed',
    (...failure) =>
      inWorld(times, async (world) => {
        failNth(world, 0, failure);
        const started = await world.run(world.start(0));
        const isOpen = started.ok && started.value.open;
        // What Graph has confirmed is stored as soon as the store answers again.
        expect(isOpen).toBe(failure[1] === 1);
        if (!isOpen) expect(started).toRefuse('StoreUnavailable');
        expect(world.graph.log).toEqual(isOpen ? ['recording'] : []);
        expect((await world.run(world.write(1))).ok).toBe(isOpen);
        await recovers(world);
      }),
  );

  test.each(failures({ read: 4, commit: 3, revoke: 1 }))(
    'during a stop (%s %i, %s its effect) loses neither the stop nor a law',
    (...failure) =>
      inWorld(times, async (world) => {
        await world.recording();
        const write = await world.admitted(1);
        failNth(world, 0, failure);
        let stopped = await world.run(world.stop(0));
        if (!stopped.ok) {
          expect(stopped).toRefuse('StoreUnavailable');
          expect(world.graph.log).toEqual(['recording']);
          for (let asked = 0; asked < 5 && !stopped.ok; asked++) stopped = await world.run(world.stop(0));
        }
        expect(stopped).toMatchObject({ ok: true });
        expect(write.wasCut).toBe(true);
        expect(world.graph.log).toEqual(['recording', 'notRecording']);
        expect(await world.state()).toBe('idle');
        await recovers(world);
      }),
  );

  test.each(failures({ acquire: 1 }))(
    'during a first write (%s %i, %s its effect) refuses it, and neither the next write nor a stop is held up',
    (...failure) =>
      inWorld(times, async (world) => {
        await world.recording();
        failNth(world, 1, failure);
        expect(await world.run(world.write(1))).toRefuse('StoreUnavailable');
        expect((await world.view()).holders).toHaveLength(failure[2] === 'after' ? 1 : 0);

        const before = world.clock.now();
        expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
        expect(world.clock.now() - before).toBeLessThan(drainMs);
        await world.recording(0);
        await world.admitted(1);
      }),
  );

  test('leaves no holder behind on the instance that stops the call itself', () =>
    inWorld(times, async (world) => {
      await world.recording();
      failNth(world, 0, ['acquire', 0, 'after']);
      expect(await world.run(world.write(0))).toRefuse('StoreUnavailable');
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    }));

  test.each(failures({ leave: 1, heartbeat: 2, join: 1 }))(
    'while an instance is revoked (%s %i, %s its effect) costs time, never a law',
    (...failure) =>
      inWorld(times, async (world) => {
        await world.recording();
        const write = await world.admitted(1);
        write.write.addBytes(5);
        failNth(world, 1, failure);
        expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
        const drained = (await world.records()).find(({ event }) => event === 'drained');
        // Reporting twice changes nothing.
        expect(drained?.detail).toMatchObject({ writes: { admitted: 1, aborted: 1, bytes: 5 } });
        await recovers(world);
      }),
  );

  test('keeps the report of a session when its revocation comes again', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      write.write.addBytes(5);
      const [holder] = (await world.view()).holders;
      // The other instance has us as a writer still.
      await world.admitted(0);
      const stop = world.stop(0);
      await world.clock.settle();
      write.end();
      await world.clock.settle();
      // With the first the session tells that it is done; the second finds nothing to be done.
      for (let again = 0; again < 2; again++) {
        await world.store.sessions.revoke(holder!.session, { call: theCall, epoch: holder!.epoch });
        await world.clock.settle();
      }
      expect(await world.run(stop)).toMatchObject({ ok: true });
      const drained = (await world.records()).find(({ event }) => event === 'drained');
      expect(drained?.detail).toMatchObject({ writes: { admitted: 2, aborted: 1, bytes: 5 } });
    }));
});

test('keeps the report of a session when its revocation comes again long after', () =>
  inWorld(times, async (world) => {
    await world.recording();
    const write = await world.admitted(1);
    write.write.addBytes(5);
    const [holder] = (await world.view()).holders;
    const stop = world.stop(0);
    await world.clock.settle();
    const late = world.hold('read', 'before', { instance: 0 });
    write.end();
    await world.clock.advance(5 * ttlMs);
    // By now the session has forgotten that it ever left.
    await world.store.sessions.revoke(holder!.session, { call: theCall, epoch: holder!.epoch });
    await world.clock.settle();
    late.release();
    await world.run(stop);
    expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
    const drained = (await world.records()).find(({ event }) => event === 'drained');
    expect(drained?.detail).toMatchObject({ writes: { admitted: 1, aborted: 0, bytes: 5 } });
  }));

test('what a session reports after its interval was closed is told, but counted in no other interval', () =>
  inWorld(times, async (world) => {
    await world.recording();
    const { write } = await world.admitted(1);
    write.addBytes(5);
    const { epoch: first } = await world.view().then(({ state }) => state!);
    world.weather = ({ instance }) => (instance === 1 ? { before: unavailable } : {});
    expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    await world.recording(0);
    (await world.admitted(0)).end();
    world.calm();
    await world.clock.advance(ttlMs);
    expect(await world.run(world.stop(0))).toMatchObject({ ok: true });

    const [gone, late] = (await world.records()).filter(({ event }) => event === 'drained');
    expect(gone?.detail).toMatchObject({ holders: [{ epoch: first, left: 'lost' }] });
    expect(late?.detail).toMatchObject({ writes: { admitted: 1, aborted: 0, bytes: 0 } });
    expect(late?.detail.holders).toContainEqual(expect.objectContaining({ epoch: first, bytes: 5 }));
  }));

describe('a store that is away', () => {
  test('while Graph confirms a start learns of it as soon as it is back', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 100 });
      const start = world.start(0);
      await world.clock.settle();
      world.storeIsDown = true;
      await world.clock.advance(1000);
      world.storeIsDown = false;
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: true } });
      await world.admitted(1);
    }));

  test('while a pending start is polled does not lose what Graph says', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      const start = world.start(0);
      await world.clock.settle();
      world.storeIsDown = true;
      await world.clock.advance(500);
      world.graph.complete('op-7');
      await world.clock.advance(500);
      world.storeIsDown = false;
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: true } });
    }));

  test('for too long keeps the gate closed, though Graph has confirmed', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 100 });
      const start = world.start(0);
      await world.clock.settle();
      world.storeIsDown = true;
      expect(await world.run(start)).toRefuse('StoreUnavailable');
      expect(await world.run(world.write(1))).toRefuse('StoreUnavailable');
      world.storeIsDown = false;
      await world.clock.settle();
      expect(await world.state()).toBe('starting');
      await recovers(world);
    }));

  test('when a stop is settled leaves the call unconfirmed', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', { ...completed(), answerAfterMs: 100 });
      const stop = world.stop(0);
      await world.clock.settle();
      await world.clock.advance(50);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      world.storeIsDown = true;
      expect(await world.run(stop)).toMatchObject({ ok: true, value: { outcome: { kind: 'completed' } } });
      world.storeIsDown = false;
      expect(await world.state()).toBe('unconfirmed');
      await recovers(world);
    }));

  test('refuses status changes and first writes, and instances join as soon as it is back', () =>
    inWorld({ ...times, instances: 0 }, async (world) => {
      world.storeIsDown = true;
      const { gate } = await world.boot();
      expect(gate.isReady()).toBe(false);
      expect(await world.run(world.write(0))).toRefuse('StoreUnavailable');
      expect(await world.run(world.start(0))).toRefuse('StoreUnavailable');
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      expect(world.graph.log).toEqual([]);
      world.storeIsDown = false;
      await world.clock.advance(ttlMs / 3);
      expect(gate.isReady()).toBe(true);
      await world.recording();
      await world.admitted(0);
    }));

  test('says nothing about a binding, and is not waited for long', () =>
    inWorld(times, async (world) => {
      world.hold('read', 'before', { instance: 0 });
      const binding = world.instances[0]!.gate.bindingOf(theCall);
      expect(await world.run(binding, 250)).toBeUndefined();
    }));
});

describe('a store without data', () => {
  test.each(['start', 'stop'] as const)(
    'lets no %s through before old requests are certainly over',
    (asked) =>
      inWorld({ ...times, fresh: true }, async (world) => {
        const refusal = await world.run(world[asked](0));
        expect(refusal).toRefuse('StoreFresh');
        expect(refusal).toMatchObject({ retryAfterMs: 3 * graphTimeoutMs - world.clock.now() });
        expect(world.graph.log).toEqual([]);
        await world.clock.advance(3 * graphTimeoutMs - world.clock.now());
        expect(await world.run(world[asked](0))).toMatchObject({ ok: true });
      }),
  );
});

describe('store commands', () => {
  test('are not needed for the second and later writes of a call', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const before = world.commands.length;
      for (let written = 0; written < 1000; written++) (await world.admitted(1)).end();
      expect(world.commands.slice(before)).toEqual([{ instance: 1, name: 'acquire' }]);

      await world.clock.advance(ttlMs);
      const beats = world.commands.slice(before + 1);
      const ofOne = beats.filter(({ instance }) => instance === 1).map(({ name }) => name);
      expect(ofOne.sort()).toEqual([
        ...Array<string>(3).fill('heartbeat'),
        ...Array<string>(3).fill('readHolds'),
      ]);
      expect(new Set(beats.map(({ name }) => name)).size).toBe(2);
    }));

  test('are asked once for first writes that come together', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const writes = await world.run(Promise.all(Array.from({ length: 20 }, () => world.write(1))));
      expect(writes.every(({ ok }) => ok)).toBe(true);
      expect(world.count('acquire')).toBe(1);
    }));
});
