import { expect, test } from '@jest/globals';
import { inWorld, type World } from '../../support/gate.ts';
import { completed } from '../../support/gate-graph.ts';

/** Both instances hold a grant of a call that is recorded. */
async function held(world: World): Promise<void> {
  await world.recording();
  (await world.admitted(0)).end();
  (await world.admitted(1)).end();
}

const admits = async (world: World): Promise<boolean[]> => [
  (await world.run(world.write(0))).ok,
  (await world.run(world.write(1))).ok,
];

// Before these, only the drain pushed revocations: a stop that was refused or failed earlier left grants in use.
test('a stop that waits for a slow repeat of recording closes the gate everywhere meanwhile, and after it was refused', async () => {
  await inWorld({ ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 10_000 }, async (world) => {
    await held(world);
    world.graph.next('recording', { ...completed(), answerAfterMs: 9000 });
    const repeat = world.start(0);
    await world.clock.settle();
    const stop = world.stop(0);
    await world.clock.advance(2000);
    expect(await admits(world)).toEqual([false, false]);
    expect(await world.run(stop)).toRefuse('StatusInProgress');
    await world.run(repeat);
    await world.clock.advance(60_000);
    expect(await admits(world)).toEqual([false, false]);
  });
});

test('a stop whose request was stored, though its reply was lost, closes the gate everywhere', async () => {
  await inWorld({ ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 }, async (world) => {
    await held(world);
    world.fail('commit', 'after');
    expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
    await world.clock.advance(60_000);
    expect(await admits(world)).toEqual([false, false]);
  });
});

test('a holder that crashed is waited out within one stop, also without a drain limit and with a slow store', async () => {
  await inWorld({ ttlMs: 3000, drainMs: 0, graphTimeoutMs: 2000 }, async (world) => {
    await world.recording();
    await world.admitted(1);
    world.crash(1);
    await world.clock.advance(10_000);
    const slow = (): Promise<void> => new Promise((resolve) => void world.clock.after(15, resolve));
    world.weather = () => ({ before: slow, after: slow });
    expect((await world.run(world.stop(0, 'hangUp'))).ok).toBe(true);
  });
});

test('what a lost session left does not keep its successor from leaving', async () => {
  await inWorld({ ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 }, async (world) => {
    await world.recording();
    (await world.admitted(1)).end();
    world.fail('heartbeat', 'before', { instance: 1, times: 5 });
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    world.weather = ({ name, instance }) =>
      name === 'leave' && instance === 1 ? { before: () => slow } : {};
    for (let step = 0; world.count('join') < 3 && step < 100; step++) await world.clock.advance(50);
    // The successor holds the same epoch, but the reply to its acquire is lost.
    world.fail('acquire', 'after', { instance: 1 });
    await world.run(world.write(1));
    const stop = world.stop(0);
    await world.clock.advance(300);
    release();
    world.weather = () => ({});
    const first = await world.run(stop);
    await world.clock.advance(3000);
    expect(first.ok || (await world.run(world.stop(0))).ok).toBe(true);
  });
});

test('a start whose reservation was stored, though its reply was lost, does not keep a hang-up waiting', async () => {
  await inWorld({ ttlMs: 5000, drainMs: 5000, graphTimeoutMs: 10_000 }, async (world) => {
    world.fail('commit', 'after');
    expect(await world.run(world.start(0))).toRefuse('StoreUnavailable');
    expect((await world.run(world.stop(0, 'hangUp'))).ok).toBe(true);
  });
});
