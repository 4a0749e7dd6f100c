import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { GraphCallState } from '../../../src/core/call/graph-state.ts';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { completed } from '../../support/gate-graph.ts';
import { bot, inWorld, stranger, theCall, unavailable, type World } from '../../support/gate.ts';
import {
  callIs,
  callNo,
  delta,
  invitation,
  operationEnded,
  participant,
  roster,
  tell,
} from '../../support/notices.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };
const otherTenant = { ...bot, tenant: '99999999-9999-9999-9999-999999999999' };

/** The states that the evidence says were told. */
const toldStates = async (world: World): Promise<unknown[]> =>
  (await world.records()).filter(({ event }) => event === 'notified').map(({ detail }) => detail.state);

describe('the first notification of a call', () => {
  test.each<[string, Notice]>([
    ['an invitation', invitation()],
    ['another state', callIs('established')],
    ['a roster', roster([])],
    ['an operation', operationEnded('op-7')],
  ])('binds it, whatever it is: %s', (_, notice) =>
    inWorld(times, async (world) => {
      await tell(world, 1, notice);
      expect((await world.view()).state?.binding).toEqual(bot);
      expect((await world.events())[0]).toBe('bound');
      expect(await world.run(world.instances[0]!.gate.bindingOf(theCall))).toEqual(bot);
      expect(await world.run(world.start(0, { by: stranger }))).toRefuse('CallNotFound');
    }),
  );

  test.each([
    ['application', stranger],
    ['tenant', otherTenant],
  ])('leaves nothing to be learned for another %s', (_, other) =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, invitation());
      const write = await world.admitted(1);
      const before = await world.view();
      const notices: Notice[] = [
        callIs('terminated'),
        callIs(null, { changeType: 'deleted' }),
        roster([participant('a')]),
        operationEnded('op-7'),
      ];
      for (const index of [0, 1]) await tell(world, index, notices, other);
      expect(world.outcomes).toEqual(['learned', ...Array.from({ length: 8 }, () => 'stranger')]);
      expect((await world.view()).state).toEqual(before.state);
      expect(write.isLive).toBe(true);
      expect(await world.run(world.instances[1]!.gate.bindingOf(theCall))).toEqual(bot);
    }),
  );

  test.each([0, 1])('is one, also when two come at the same moment (the store hears %i first)', (first) =>
    inWorld(times, async (world) => {
      const late = world.hold('commit', 'before', { instance: 1 - first });
      const [one, other] = [world.instances[0]!.gate, world.instances[1]!.gate];
      one.receiveNotices(bot, [invitation()]);
      other.receiveNotices(stranger, [invitation()]);
      await world.clock.settle();
      expect(late.reached).toBe(true);
      late.release();
      await world.clock.settle();
      const owner = first === 0 ? bot : stranger;
      expect(world.outcomes).toEqual(['learned', 'stranger']);
      expect((await world.view()).state?.binding).toEqual(owner);
      expect(await world.run(one.bindingOf(theCall))).toEqual(owner);
      expect(await world.run(other.bindingOf(theCall))).toEqual(owner);
      expect(await world.events()).toEqual(['bound', 'notified']);
    }),
  );

  test('is one, also when two come at the same moment on one instance', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      gate.receiveNotices(bot, [invitation()]);
      gate.receiveNotices(stranger, [callIs('terminated')]);
      await world.clock.settle();
      expect(world.outcomes).toEqual(['learned', 'stranger']);
      expect(await world.state()).toBe('idle');
    }));

  test('is known to whoever asks in the same moment', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      gate.receiveNotices(bot, [invitation()]);
      const binding = gate.bindingOf(theCall);
      const bound = gate.bind(theCall, stranger);
      expect(await world.run(binding, 0)).toEqual(bot);
      await bound;
      expect((await world.view()).state?.binding).toEqual(bot);
    }));

  test('counts for every instance, also if a start of another was on its way', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 500 });
      const start = world.start(0, { by: stranger });
      await world.clock.settle();
      await tell(world, 1, invitation());
      await world.run(start);
      expect((await world.view()).state?.binding).toEqual(bot);
      for (const { gate } of world.instances) expect(await world.run(gate.bindingOf(theCall))).toEqual(bot);
    }));

  // The bot, or somebody else, asks as soon as it has the notification; `null` would let anybody be the first.
  test('is known to whoever asks, however many calls are busy', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      const others = Array.from({ length: 200 }, (_, n) => invitation({ call: callNo(n + 1) }));
      gate.receiveNotices(bot, [...others, invitation()]);
      expect(await world.run(gate.bindingOf(theCall))).toEqual(bot);
    }));

  test('is known to whoever asks once the store is back', () =>
    inWorld(times, async (world) => {
      const { gate } = world.instances[0]!;
      world.storeIsDown = true;
      gate.receiveNotices(bot, [invitation()]);
      await world.clock.advance(10_000);
      expect(await world.run(gate.bindingOf(theCall))).toBeUndefined();
      world.storeIsDown = false;
      expect(await world.run(gate.bindingOf(theCall))).toEqual(bot);
    }));
});

describe('the states of a call', () => {
  const states: GraphCallState[] = ['incoming', 'establishing', 'established', 'hold', 'terminating'];
  const notices = states.map((state, at) =>
    at === 0 ? invitation({ facts: { callChainId: 'chain-1' } }) : callIs(state),
  );
  const deliveries = fc
    .shuffledSubarray([...notices, ...notices], { minLength: 5 })
    .chain((notices) =>
      fc.tuple(
        fc.constant(notices),
        fc.array(fc.nat(1), { minLength: notices.length, maxLength: notices.length }),
      ),
    );

  test('are in the evidence once, in the order they came, whatever order that is and on whatever instance', () =>
    fc.assert(
      fc.asyncProperty(deliveries, ([notices, instances]) =>
        inWorld(times, async (world) => {
          for (const [at, notice] of notices.entries()) await tell(world, instances[at]!, notice);
          const expected = [...new Set(notices.map(({ state }) => state))];
          expect(await toldStates(world)).toEqual(expected);
          expect((await world.view()).state?.notified?.states).toEqual(expected);
          const chains = (await world.records()).filter(
            ({ detail }) =>
              (detail.facts as { callChainId?: unknown } | undefined)?.callChainId === 'chain-1',
          );
          expect(chains).toHaveLength(expected.includes('incoming') ? 1 : 0);
          expect(world.outcomes.filter((outcome) => outcome === 'learned')).toHaveLength(expected.length);
          expect(world.outcomes.filter((outcome) => outcome === 'known')).toHaveLength(
            notices.length - expected.length,
          );
          expect(await world.state()).toBe('idle');
        }),
      ),
      { numRuns: 60 },
    ));

  test('come with what Graph said, and who the notification was for', () =>
    inWorld(times, async (world) => {
      const result = { code: 200, subcode: 5300 };
      const facts = {
        policyHolder: 'adele',
        pairedRecorders: ['other-bot'],
        applicationInstance: 'instance',
      };
      await tell(world, 0, [invitation({ facts }), callIs('established', { facts, result })]);
      const [, incoming, established] = await world.records();
      expect(incoming).toMatchObject({
        event: 'notified',
        by: bot,
        detail: { changeType: 'created', state: 'incoming', result: null, facts },
      });
      expect(established?.detail).toEqual({ changeType: 'updated', state: 'established', result });
      expect((await world.view()).state?.notified?.applicationInstance).toBe('instance');
    }));

  test('that are not given teach nothing after the first', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, [callIs(null), callIs(null), invitation(), callIs(null)]);
      expect(world.outcomes).toEqual(['learned', 'known', 'learned', 'known']);
      expect(await toldStates(world)).toEqual([null, 'incoming']);
    }));

  test('come with the call, also when a roster was faster', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, delta([participant('a')]));
      await tell(world, 0, callIs('established', { facts: { callChainId: 'chain-1' } }));
      expect((await world.records()).at(-1)).toMatchObject({
        event: 'notified',
        detail: { state: 'established', facts: { callChainId: 'chain-1' } },
      });
    }));

  test.each(['read', 'commit'] as const)(
    'are not lost, and in order, whichever %s of the store fails',
    (name) =>
      fc.assert(
        fc.asyncProperty(fc.nat(5), fc.constantFrom('before', 'after'), (nth, moment) =>
          inWorld({ ...times, instances: 1 }, async (world) => {
            let seen = 0;
            world.weather = (command) =>
              command.name === name && seen++ === nth ? { [moment]: unavailable } : {};
            await tell(world, 0, notices);
            await world.clock.advance(10_000);
            expect(seen).toBeGreaterThan(nth);
            expect(await toldStates(world)).toEqual(states);
            expect((await world.view()).state?.notified?.states).toEqual(states);
          }),
        ),
        { numRuns: 30 },
      ),
  );
});

describe('a call whose facts are those of another', () => {
  test('has a gate of its own, whatever they share', () =>
    inWorld(times, async (world) => {
      const facts = { callChainId: 'chain-1', threadId: 'thread-1', transferor: 'adele' };
      const next = callNo(1);
      await tell(world, 0, invitation({ facts }));
      await world.recording();
      await world.admitted(0);
      await tell(world, 0, [invitation({ call: next, facts }), callIs('established', { call: next, facts })]);
      for (const index of [0, 1]) {
        expect(await world.run(world.write(index, bot, next))).toRefuse('RecordingNotActive');
        expect(await world.run(world.instances[index]!.gate.isOpen(next, bot))).toRefuse(
          'RecordingNotActive',
        );
      }
      await tell(world, 1, callIs('terminated', { facts }));
      await world.clock.advance(times.drainMs + 100);
      expect([await world.state(), await world.state(next)]).toEqual(['ended', 'idle']);
      expect(await world.run(world.start(0, { call: next }))).toMatchObject({
        ok: true,
        value: { open: true },
      });
      expect(await world.run(world.write(1, bot))).toRefuse('RecordingNotActive');
      expect(await world.run(world.write(1, bot, next))).toMatchObject({ ok: true });
    }));
});
