import { describe, expect, test } from '@jest/globals';
import { type CallKey, parseCallKey } from '../../../src/core/call/key.ts';
import { type Observation, observedReasons } from '../../../src/core/call/observation.ts';
import type { Binding } from '../../../src/core/call/state.ts';
import { type Refusal, refuse } from '../../../src/core/decision.ts';
import { type ReasonCode, reasons } from '../../../src/core/reasons.ts';
import type { PassingWrite } from '../../../src/gate/write.ts';
import { bot, inWorld, startOfTime, stranger, theCall, type World } from '../../support/gate.ts';
import { whileDurable } from '../../support/gate-holds.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };
const minute = 60_000;
const observation: Observation = { until: startOfTime + 10 * minute, tenants: [bot.tenant] };
const observing = { ...times, observes: () => observation };
/** Of a tenant that is not observed. */
const other: Binding = { ...bot, tenant: '44444444-4444-4444-4444-444444444444' };
const otherCall = parseCallKey('00000000-0000-0000-0000-0000000000fe')!;

interface Passed {
  readonly write: PassingWrite;
  wasCut: boolean;
}

/** What a media request does: it asks the gate, and then for observation. */
async function upload(
  world: World,
  { index = 0, who = bot, call = theCall }: { index?: number; who?: Binding; call?: CallKey } = {},
): Promise<Passed | Refusal> {
  const { gate } = world.instances[index]!;
  const ask = async (): Promise<PassingWrite | Refusal> => {
    const decision = gate.admitNow(call, who) ?? (await gate.admit(call, who));
    if (decision.ok) return decision.value;
    const observed = await gate.observed.take(call, who, decision);
    if (observed === undefined) gate.refused(call, decision.reason, who);
    return observed ?? decision;
  };
  const write = await world.run(ask());
  if ('ok' in write) return write;
  const passed = { write, wasCut: false };
  write.onCut(() => (passed.wasCut = true));
  return passed;
}

async function observed(world: World, of: Parameters<typeof upload>[1] = {}): Promise<Passed> {
  const passed = await upload(world, of);
  if (!('write' in passed)) throw new Error(`the write was refused: ${passed.reason}`);
  expect(passed.write.epoch).toBeNull();
  return passed;
}

/** Graph has accepted the owner of a call. */
const bound = (world: World, call = theCall, who = bot): Promise<void> =>
  world.run(world.instances[0]!.gate.bind(call, who));

describe('a gate that observes', () => {
  test('lets a write pass before Graph confirmed, without an epoch, and counts it', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      for (let n = 0; n < 3; n++) (await observed(world)).write.end(true);
      await world.clock.advance(12_000);
      const counted = (await world.records()).filter(({ event }) => event === 'writesRefused');
      expect(counted.map(({ detail }) => detail)).toEqual([
        { refused: {}, observed: { RecordingNotActive: 3 } },
      ]);
      expect(counted.map(({ enforced }) => enforced)).toEqual([false]);
      expect(world.observed).toEqual(['RecordingNotActive', 'RecordingNotActive', 'RecordingNotActive']);
      expect(world.log.lines.filter(({ text }) => text.startsWith('a write would have been'))).toHaveLength(
        1,
      );
    }));

  test('counts what nobody is bound to without leaving a state of the call', () =>
    inWorld(observing, async (world) => {
      (await observed(world)).write.end(true);
      await world.clock.advance(25_000);
      const lines = (await world.store.outbox.pending(100)).flatMap(({ refusedWrites: line }) => line ?? []);
      expect(lines).toMatchObject([{ refused: {}, observed: { RecordingNotActive: 1 }, by: bot }]);
      expect((await world.view()).state).toBeNull();
    }));

  test('admits what is recorded as ever, and no record of an observed tenant claims enforcement', () =>
    inWorld(observing, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      expect(write.write.epoch).toBeGreaterThan(0);
      write.end();
      await world.run(world.stop(0));
      const records = await world.records();
      expect(records.length).toBeGreaterThan(4);
      expect(records.filter(({ enforced }) => enforced)).toEqual([]);
    }));

  test('drains at a stop what holds a grant, and neither waits for an observed write nor ends it', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      const early = await observed(world, { index: 1 });
      await world.recording();
      const granted = await world.admitted(0);
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect([granted.wasCut, early.wasCut]).toEqual([true, false]);
      expect(early.write.mayContinue()).toBe(true);
      // Law 2 refuses this one.
      const late = await observed(world);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      early.write.end(true);
      late.write.end(true);
    }));

  test('cuts observed writes when an operator sets a hold, and lets none pass while it stands', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      const [here, elsewhere] = [await observed(world), await observed(world, { index: 1 })];
      const { gate } = world.instances[0]!;
      const by = { issuer: 'https://login.example', subject: 'operator-1' };
      const asked = gate.byHand.hold({ by, reason: 'legal hold', scope: { app: bot.app } });
      expect(here.wasCut).toBe(true);
      const set = await whileDurable(world, asked);
      expect(elsewhere.wasCut).toBe(true);
      for (const index of [0, 1])
        expect(await upload(world, { index })).toMatchObject({ reason: 'RecordingNotActive' });
      if (!set.ok) throw new Error(set.reason);
      await whileDurable(world, gate.byHand.release(set.value.hold.id, { by, reason: 'over' }));
      (await observed(world)).write.end(true);
    }));

  test('enforces the laws for every other tenant', () =>
    inWorld(observing, async (world) => {
      await bound(world, otherCall, other);
      expect(await upload(world, { who: other, call: otherCall })).toRefuse('RecordingNotActive');
      await world.clock.advance(2000);
      const records = (await world.records()).filter(({ call }) => call === otherCall);
      expect(records.map(({ event, enforced }) => [event, enforced])).toEqual([
        ['bound', true],
        ['writesRefused', true],
      ]);
    }));

  test('lets nobody write for a call that is not theirs', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      await bound(world, otherCall, other);
      expect(await upload(world, { who: stranger })).toRefuse('RecordingNotActive');
      expect(await upload(world, { who: other })).toRefuse('RecordingNotActive');
      expect(await upload(world, { call: otherCall })).toRefuse('RecordingNotActive');
      expect(world.observed).toEqual([]);
    }));

  test('refuses whatever else is a reason than the laws', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      const { gate } = world.instances[0]!;
      const passed: string[] = [];
      for (const reason of Object.keys(reasons) as ReasonCode[])
        if ((await world.run(gate.observed.take(theCall, bot, refuse(reason)))) !== undefined)
          passed.push(reason);
      expect(passed.sort()).toEqual([...observedReasons].sort());
    }));
});

describe('the end of an observation', () => {
  test('comes by itself: what was observed ends, and nothing more is', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      const passed = await observed(world);
      // It is reported once a second.
      await world.clock.advance(1000);
      expect(world.enforcing.get(0)).toBe(false);
      expect(world.instances[0]!.gate.observed.current).toEqual(observation);
      await world.clock.advance(11 * minute);
      expect(passed.wasCut).toBe(true);
      expect(passed.write.stopReason).toBe('RecordingNotActive');
      expect(world.enforcing.get(0)).toBe(true);
      expect(world.instances[0]!.gate.observed.current).toBeUndefined();
      expect(await upload(world)).toRefuse('RecordingNotActive');
      await world.recording();
      const last = (await world.records()).at(-1);
      expect(last).toMatchObject({ event: 'startConfirmed', enforced: true });
    }));

  test('stops a byte that comes before any timer has fired', () =>
    inWorld(observing, async (world) => {
      const passed = await observed(world);
      expect(passed.write.mayContinue()).toBe(true);
      world.clock.jump(10 * minute);
      expect(passed.write.mayContinue()).toBe(false);
    }));

  test.each<[string, (world: World) => void]>([
    ['the wall clock', (world) => (world.wallSkewMs = 11 * minute)],
    ['the clock of the store', (world) => (world.storeSkewMs = 11 * minute)],
  ])('comes when %s says so, and does not go away again', (_, skew) =>
    inWorld(observing, async (world) => {
      await bound(world);
      (await observed(world)).write.end(true);
      skew(world);
      expect(await upload(world)).toRefuse('RecordingNotActive');
      world.wallSkewMs = 0;
      world.storeSkewMs = 0;
      await world.clock.advance(30_000);
      expect(await upload(world)).toRefuse('RecordingNotActive');
    }),
  );

  test('lets instances join that have no such setting any more, and none before', () =>
    inWorld(
      { ...times, instances: 1, observes: (index) => (index === 0 ? observation : undefined) },
      async (world) => {
        await world.boot();
        const { gate } = world.instances[1]!;
        expect(gate.isReady()).toBe(false);
        expect(gate.obstacle()).toContain('TALLYLIGHT_OBSERVE_UNTIL differs');
        expect(await world.run(world.start(1))).toRefuse('StoreUnavailable');
        await world.clock.advance(11 * minute);
        expect(gate.isReady()).toBe(true);
      },
    ));
});

describe('an instance that is no member of its store', () => {
  test('observes nothing, however it is set', () =>
    inWorld({ ...times, observes: (index) => (index === 0 ? undefined : observation) }, async (world) => {
      expect(world.instances[1]!.gate.obstacle()).toContain('TALLYLIGHT_OBSERVE_UNTIL differs');
      expect(world.instances[1]!.gate.observed.current).toBeUndefined();
      expect(await upload(world, { index: 1 })).toMatchObject({ ok: false });
      expect(world.observed).toEqual([]);
    }));

  test('observes while the store is away what it knows, and for less than a minute', () =>
    inWorld(observing, async (world) => {
      await bound(world);
      world.storeIsDown = true;
      await world.clock.advance(10_000);
      const passed = await observed(world);
      expect(world.observed).toEqual(['StoreUnavailable']);
      expect(await upload(world, { call: otherCall })).toRefuse('StoreUnavailable');
      await world.clock.advance(40_000);
      expect(passed.wasCut).toBe(true);
      expect(passed.write.stopReason).toBe('SessionLost');
      expect(await upload(world)).toRefuse('StoreUnavailable');
      world.storeIsDown = false;
      await world.clock.advance(10_000);
      (await observed(world)).write.end(true);
    }));

  test('that shuts down lets nothing more pass, and ends what it observes within the drain limit', () =>
    inWorld({ ...observing, instances: 1 }, async (world) => {
      const passed = await observed(world);
      let closed = false;
      void world.instances[0]!.gate.close().then(() => (closed = true));
      await world.clock.settle();
      expect(await upload(world)).toRefuse('ShuttingDown');
      expect([passed.wasCut, closed]).toEqual([false, false]);
      await world.clock.advance(5000);
      expect(passed.wasCut).toBe(true);
      await world.clock.advance(10_000);
      expect(closed).toBe(true);
    }));
});

describe('without the setting', () => {
  test('no refusal lets anything pass, in whatever state the call is', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      const allRefused = async (): Promise<void> => {
        for (const reason of Object.keys(reasons) as ReasonCode[])
          expect(await world.run(gate.observed.take(theCall, bot, refuse(reason)))).toBeUndefined();
        expect(gate.observed.current).toBeUndefined();
        expect([...world.enforcing.values()]).toEqual([true, true]);
      };
      await allRefused();
      await bound(world);
      await allRefused();
      await world.recording();
      await allRefused();
      await world.run(world.stop(0));
      await allRefused();
      world.storeIsDown = true;
      await allRefused();
      world.storeIsDown = false;
      await world.clock.advance(10_000);
      expect((await world.records()).filter(({ enforced }) => !enforced)).toEqual([]);
      expect(world.observed).toEqual([]);
    }));
});
