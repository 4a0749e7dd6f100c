import { expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { bot, inWorld, theCall, type World } from '../../support/gate.ts';

const ttlMs = 3000;
const times = { ttlMs, drainMs: 1000, graphTimeoutMs: 2000, sizes: { maxGrants: 1 } };
const other = parseCallKey('00000000-0000-0000-0000-0000000000b0')!;

/** Both calls are recorded; instance 1 takes the media of the other one, and has no room for the first. */
async function full(world: World): Promise<void> {
  for (const call of [theCall, other])
    expect(await world.run(world.start(0, { call }))).toMatchObject({ ok: true });
  expect(await world.run(world.write(1, bot, other))).toMatchObject({ ok: true });
}

async function makeRoom(world: World): Promise<void> {
  for (const write of world.live(other)) write.end();
  expect(await world.run(world.stop(0, 'notRecording', { call: other }))).toMatchObject({ ok: true });
}

test('an instance without room for another call refuses its media, and is no holder of it', () =>
  inWorld(times, async (world) => {
    await full(world);
    expect(await world.run(world.write(1))).toRefuse('TooManyCalls');
    expect((await world.view()).holders).toEqual([]);
    await makeRoom(world);
    expect(await world.run(world.write(1))).toMatchObject({ ok: true });
  }));

test('where there is no room, a closed gate is told as what it is: early media must not become late media', () =>
  inWorld(times, async (world) => {
    await full(world);
    expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
    world.storeIsDown = true;
    expect(await world.run(world.write(1))).toRefuse('StoreUnavailable');
  }));

test('one that had no room and then has some stays a holder until it has stopped, whatever comes late', () =>
  inWorld(times, async (world) => {
    await full(world);
    const late = world.hold('leave', 'before', { instance: 1 });
    expect(await world.run(world.write(1))).toRefuse('TooManyCalls');
    await makeRoom(world);
    const write = await world.admitted(1);
    late.release();
    await world.clock.settle();
    expect((await world.view()).holders).toHaveLength(1);
    expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
    expect([write.wasCut, write.isLive]).toEqual([true, false]);
  }));

test('many calls that come at once take no more room than there is', () =>
  inWorld(times, async (world) => {
    const calls = [theCall, other];
    for (const call of calls) expect(await world.run(world.start(0, { call }))).toMatchObject({ ok: true });
    const decisions = await world.run(Promise.all(calls.map((call) => world.write(1, bot, call))));
    expect(decisions.map(({ ok }) => ok)).toEqual([true, false]);
    expect(decisions[1]).toRefuse('TooManyCalls');
  }));
