import { describe, expect, test } from '@jest/globals';
import type { HoldScope, Operator } from '../../../src/core/call/hold.ts';
import type { Decision } from '../../../src/core/decision.ts';
import type { HoldChange } from '../../../src/gate/by-hand.ts';
import {
  bot,
  inWorld,
  stranger,
  theCall,
  unavailable,
  type World,
  type WorldOptions,
} from '../../support/gate.ts';
import { completed } from '../../support/gate-graph.ts';
import { whileDurable } from '../../support/gate-holds.ts';

const ttlMs = 3000;
const drainMs = 1000;
const times: WorldOptions = { ttlMs, drainMs, graphTimeoutMs: 2000, tellsGraph: true };

const by: Operator = { issuer: 'https://login.example', subject: 'operator-1' };
const everybody: HoldScope = { all: true };
const act = { by, reason: 'legal hold' };
const onTenant: HoldScope = { tenant: bot.tenant };

const gate = (world: World, index: number) => world.instances[index]!.gate;

/** Sets a hold while somebody writes the evidence. */
async function hold(world: World, scope = everybody, index = 0): Promise<HoldChange> {
  return granted(await whileDurable(world, gate(world, index).byHand.hold({ ...act, scope })));
}

async function release(world: World, id: string, index = 0): Promise<HoldChange> {
  return granted(await whileDurable(world, gate(world, index).byHand.release(id, act)));
}

function granted<T>(decision: Decision<T>): T {
  if (!decision.ok) throw new Error(`refused: ${JSON.stringify(decision)}`);
  return decision.value;
}

/** Nothing that stops a recording reaches the store: the gate is closed by the hold alone. */
const withoutStops = (world: World): void => {
  world.weather = ({ name }) => (name === 'commit' ? { before: unavailable } : {});
};

describe('a hold', () => {
  test('closes what is open on every instance, stops it, and tells Graph', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [here, there] = [await world.admitted(0), await world.admitted(1)];
      const { hold: set, acknowledged } = await hold(world, onTenant);
      expect({ acknowledged, ...set }).toMatchObject({ acknowledged: true, number: 1, scope: onTenant, by });
      for (const index of [0, 1]) {
        expect(gate(world, index).byHand.holds()).toEqual([set]);
        expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
      }
      await world.clock.advance(drainMs);
      expect([here.wasCut, there.wasCut]).toEqual([true, true]);
      await world.clock.advance(drainMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.state()).toBe('idle');
      const stop = (await world.records()).find(({ event }) => event === 'stopRequested');
      expect(stop).toMatchObject({ by: null, detail: { cause: 'hold', holds: [set.id] } });
      expect(world.holdLines).toMatchObject([{ act: 'set', number: 1, id: set.id, closedUpTo: null }]);
    }));

  test('refuses every start before anything is sent to Graph, until it is released', () =>
    inWorld(times, async (world) => {
      const { hold: set } = await hold(world);
      for (const index of [0, 1]) {
        const started = await world.run(world.start(index));
        expect(started).toRefuse('HoldStands');
        expect(started).toMatchObject({ detail: expect.stringContaining(set.id) as unknown });
      }
      expect(world.graph.log).toEqual([]);
      expect(await world.records()).toEqual([]);
      const { acknowledged } = await release(world, set.id, 1);
      expect(acknowledged).toBe(true);
      await world.recording(0);
      await world.admitted(1);
    }));

  test.each([
    ['another tenant', { tenant: '44444444-4444-4444-4444-444444444444' }],
    ['another application', { app: stranger.app }],
  ])('on %s leaves a call alone', (_, scope) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      await hold(world, scope);
      expect(write.isLive).toBe(true);
      await world.admitted(1);
      expect(await world.state()).toBe('recording');
    }),
  );

  test('on one tenant closes a call that is bound to nobody', () =>
    inWorld(times, async (world) => {
      await world.recording();
      expect(gate(world, 0).knownOwner(theCall)).toEqual(bot);
      const unbound = { tenant: '44444444-4444-4444-4444-444444444444' };
      await hold(world, unbound);
      expect(await world.run(world.start(0, { by: null! }))).not.toRefuse('HoldStands');
      const other = theCall.replace(/^0/, '1') as typeof theCall;
      expect(await world.run(world.start(0, { by: null!, call: other }))).toRefuse('HoldStands');
    }));

  test('is known everywhere within one TTL though nobody is woken', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      world.wakesArrive = false;
      withoutStops(world);
      const { acknowledged } = await hold(world);
      expect(acknowledged).toBe(true);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      await world.clock.advance(drainMs);
      expect(world.live()).toHaveLength(0);
    }));

  test('waits out an instance that it does not reach', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.weather = ({ instance }) => (instance === 1 ? { before: unavailable } : {});
      const began = world.clock.now();
      const { acknowledged } = await hold(world);
      expect(acknowledged).toBe(true);
      expect(world.clock.now() - began).toBeGreaterThanOrEqual(ttlMs);
      expect(write.wasCut).toBe(true);
      expect(await world.run(world.write(1))).not.toMatchObject({ ok: true });
    }));

  test('is not acknowledged while its line is not durable', () =>
    inWorld(times, async (world) => {
      const decision = await world.run(gate(world, 0).byHand.hold({ ...act, scope: everybody }));
      expect(granted(decision).acknowledged).toBe(false);
      expect(await world.run(world.start(1))).toRefuse('HoldStands');
    }));

  test('is in force here while the store is away, and everywhere once it is back', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(0);
      world.storeIsDown = true;
      const asked = gate(world, 0).byHand.hold({ ...act, scope: everybody });
      expect(gate(world, 0).admitNow(theCall, bot)).toBeUndefined();
      const refusal = await world.run(asked);
      expect(refusal).toRefuse('StoreUnavailable');
      expect(refusal).toMatchObject({ detail: expect.stringContaining('repeats it') as unknown });
      await world.clock.advance(drainMs);
      expect(write.wasCut).toBe(true);
      world.storeIsDown = false;
      await world.clock.advance(3 * ttlMs);
      expect(gate(world, 1).byHand.holds()).toMatchObject([{ number: 1, reason: act.reason }]);
      expect(await world.run(world.start(1))).toRefuse('HoldStands');
      expect(await world.state()).toBe('idle');
    }));

  test('that was stored though its reply was lost is stored once', () =>
    inWorld(times, async (world) => {
      world.fail('commitHolds', 'after');
      expect(await world.run(gate(world, 0).byHand.hold({ ...act, scope: everybody }))).toRefuse(
        'StoreUnavailable',
      );
      await world.clock.advance(3 * ttlMs);
      await world.writeHolds();
      expect(world.holdLines).toHaveLength(1);
      expect(gate(world, 0).byHand.holds()).toHaveLength(1);
    }));

  test('shuts out a start that is under way', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 500 });
      const starting = world.start(0);
      await world.clock.advance(100);
      const holding = hold(world, onTenant, 1);
      expect(await world.run(starting)).toMatchObject({ ok: true, value: { open: false } });
      await holding;
      await world.clock.advance(2 * drainMs);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.events()).not.toContain('startConfirmed');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
    }));

  test('that comes while a grant is on its way lets nobody in by it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      withoutStops(world);
      const acquired = world.hold('acquire', 'after', { instance: 1 });
      const writing = world.write(1);
      await world.clock.settle();
      expect(acquired.reached).toBe(true);
      await hold(world);
      acquired.release();
      expect(await world.run(writing)).toRefuse('RecordingNotActive');
    }));

  test('is known to an instance that starts later before it opens anything', () =>
    inWorld({ ...times, instances: 1 }, async (world) => {
      await world.recording();
      withoutStops(world);
      await hold(world);
      await world.boot();
      expect(gate(world, 1).isReady()).toBe(true);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
    }));

  test('is asked for by an instance without a session before it sends a start', () =>
    inWorld(times, async (world) => {
      world.weather = ({ name, instance }) =>
        instance === 1 && (name === 'heartbeat' || name === 'join') ? { before: unavailable } : {};
      world.wakesArrive = false;
      await world.clock.advance(2 * ttlMs);
      await hold(world);
      world.fail('readHolds', 'before', { instance: 1 });
      expect(await world.run(world.start(1))).toRefuse('StoreUnavailable');
      expect(await world.run(world.start(1))).toRefuse('HoldStands');
      expect(world.graph.log).toEqual([]);
    }));

  test.each([
    ['an empty reason', { reason: ' ' }],
    ['a reason that is too long', { reason: 'x'.repeat(501) }],
  ])('with %s is refused, and closes nothing', (_, changes) =>
    inWorld(times, async (world) => {
      expect(await gate(world, 0).byHand.hold({ ...act, scope: everybody, ...changes })).toRefuse(
        'HoldInvalid',
      );
      expect(await gate(world, 0).byHand.release('id', { ...act, ...changes })).toRefuse('HoldInvalid');
      expect(gate(world, 0).byHand.holds()).toEqual([]);
    }),
  );
});

describe('a release', () => {
  test('opens nothing: what was recorded before stays closed until it is recorded anew', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      withoutStops(world);
      const { hold: set } = await hold(world);
      const { acknowledged } = await release(world, set.id, 1);
      expect(acknowledged).toBe(true);
      expect(world.holdLines).toMatchObject([{ act: 'set' }, { act: 'released', number: 2, id: set.id }]);
      expect(await world.state()).toBe('recording');
      for (const index of [0, 1]) expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
      await world.boot();
      expect(await world.run(world.write(2))).toRefuse('RecordingNotActive');
      world.calm();
      await world.recording(0);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
      await world.admitted(1);
    }));

  test('of one of two leaves the other in force', () =>
    inWorld(times, async (world) => {
      const one = await hold(world, onTenant);
      const other = await hold(world, { app: bot.app }, 1);
      await release(world, one.hold.id, 1);
      expect(gate(world, 0).byHand.holds()).toEqual([other.hold]);
      expect(await world.run(world.start(0))).toRefuse('HoldStands');
      await release(world, other.hold.id);
      await world.recording();
    }));

  test('of what does not stand is refused', () =>
    inWorld(times, async (world) => {
      const { hold: set } = await hold(world);
      expect(await world.run(gate(world, 0).byHand.release('made-up', act))).toRefuse('HoldNotFound');
      await release(world, set.id);
      expect(await world.run(gate(world, 1).byHand.release(set.id, act))).toRefuse('HoldNotFound');
    }));

  test('is refused while the store is away: the hold stands', () =>
    inWorld(times, async (world) => {
      const { hold: set } = await hold(world);
      world.storeIsDown = true;
      expect(await world.run(gate(world, 0).byHand.release(set.id, act))).toRefuse('StoreUnavailable');
      world.calm();
      await world.clock.advance(ttlMs);
      expect(await world.run(world.start(0))).toRefuse('HoldStands');
    }));
});

describe('a store that has lost its data', () => {
  const lose = async (world: World): Promise<void> => {
    world.restartStore(Infinity);
    await world.clock.advance(2 * ttlMs);
  };

  test('has its holds again from the journal before any gate opens', () =>
    inWorld(times, async (world) => {
      const { hold: set } = await hold(world, onTenant);
      const { hold: gone } = await hold(world, { app: stranger.app });
      await release(world, gone.id);
      await lose(world);
      for (const index of [0, 1]) {
        expect(gate(world, index).isReady()).toBe(true);
        expect(gate(world, index).byHand.holds()).toEqual([set]);
      }
      expect(await world.run(world.start(0))).toRefuse('HoldStands');
      const next = await hold(world, { app: stranger.app });
      expect(next.hold.number).toBe(4);
      await release(world, set.id);
      await world.recording();
    }));

  test('opens no gate while nobody can read the journal', () =>
    inWorld({ ...times, journal: 'never' }, async (world) => {
      const closed = (): void => {
        expect(gate(world, 0).isReady()).toBe(false);
        expect(gate(world, 0).byHand.holdsObstacle()).toMatch(/evidence directory/);
      };
      closed();
      expect(await world.run(world.start(0))).toRefuse('HoldsUnknown');
      const refusal = await world.run(gate(world, 0).byHand.hold({ ...act, scope: everybody }));
      expect(refusal).toRefuse('HoldsUnknown');
      expect(gate(world, 0).byHand.holds()).toHaveLength(1);
      await world.clock.advance(10 * ttlMs);
      closed();
      expect(world.graph.log).toEqual([]);
      // Somebody who can.
      const { registry, life } = await world.store.holds.read(null, null);
      await world.store.holds.commit({ expected: 0, life, registry, line: null, operation: 'read' });
      await world.clock.advance(4 * ttlMs);
      expect(gate(world, 1).isReady()).toBe(true);
      expect(gate(world, 1).byHand.holdsObstacle()).toBeUndefined();
      expect(gate(world, 1).byHand.holds()).toHaveLength(1);
    }));
});

describe('a call that is closed by hand', () => {
  test('is stopped everywhere, with who did it in the evidence, and Graph is told', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      const closing = gate(world, 0).byHand.closeByHand(theCall, act);
      const closed = granted(await world.run(closing));
      expect(closed).toMatchObject({ told: 'graph', outcome: { kind: 'completed' } });
      expect(write.isLive).toBe(false);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.state()).toBe('idle');
      const stop = (await world.records()).find(({ event }) => event === 'stopRequested');
      expect(stop).toMatchObject({
        by: null,
        detail: { cause: 'operator', operator: by, operatorReason: act.reason },
      });
      await world.recording(1);
    }));

  test('without a credential is unconfirmed, and Graph confirms a stop before the next start', () =>
    inWorld({ ...times, tellsGraph: false }, async (world) => {
      await world.recording();
      const closed = granted(await world.run(gate(world, 0).byHand.closeByHand(theCall, act)));
      expect(closed.told).toBe('nobody');
      expect(await world.state()).toBe('unconfirmed');
      expect((await world.events()).at(-1)).toBe('stopNotSent');
      await world.recording(1);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'recording']);
    }));

  test('closes here at once, and is repeated, while the store is away', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const [here, there] = [await world.admitted(0), await world.admitted(1)];
      world.weather = ({ name }) => (name === 'commit' || name === 'read' ? { before: unavailable } : {});
      const closing = gate(world, 0).byHand.closeByHand(theCall, act);
      expect(gate(world, 0).admitNow(theCall, bot)).toBeUndefined();
      const refusal = await world.run(closing);
      expect(refusal).toRefuse('StoreUnavailable');
      expect(refusal).toMatchObject({ detail: expect.stringContaining('retries the stop') as unknown });
      await world.clock.advance(drainMs);
      expect([here.isLive, there.isLive]).toEqual([false, false]);
      world.calm();
      await world.clock.advance(4 * ttlMs);
      expect(await world.state()).toBe('idle');
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test('twice at once, and during a stop of the bot, ends closed with both in the evidence', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const second = { by: { ...by, subject: 'operator-2' }, reason: 'the same' };
      const all = [
        world.stop(1),
        gate(world, 0).byHand.closeByHand(theCall, act),
        gate(world, 1).byHand.closeByHand(theCall, second),
      ];
      for (const one of all) await world.run(one);
      await world.clock.advance(4 * ttlMs);
      expect(await world.state()).toBe('idle');
      const operators = (await world.records()).flatMap(({ event, detail }) =>
        event === 'stopRequested' ? [detail.operatorReason] : [],
      );
      expect(operators).toEqual(expect.arrayContaining([act.reason, second.reason]));
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
    }));

  test('that nobody knows is not found, and leaves nothing behind', () =>
    inWorld(times, async (world) => {
      expect(await world.run(gate(world, 0).byHand.closeByHand(theCall, act))).toRefuse('CallNotFound');
      expect(await world.state()).toBe('unknown');
      expect(await world.records()).toEqual([]);
      await world.recording();
      await world.admitted(0);
    }));

  test('that has ended is refused; a reason is needed', () =>
    inWorld(times, async (world) => {
      await world.recording();
      expect(await gate(world, 0).byHand.closeByHand(theCall, { by, reason: '' })).toRefuse('HoldInvalid');
      await world.run(world.stop(0, 'hangUp'));
      expect(await world.run(gate(world, 1).byHand.closeByHand(theCall, act))).toRefuse('CallEnded');
    }));
});
