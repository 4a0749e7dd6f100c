import { describe, expect, test } from '@jest/globals';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { bot, inWorld, theCall, unavailable, type World } from '../../support/gate.ts';
import { completed, lost, refused } from '../../support/gate-graph.ts';
import { callIs, delta, invitation, participant, roster, tell } from '../../support/notices.ts';

const witnessGraceMs = 5000;
const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000, witnessGraceMs };

const nobody = roster([participant('a', { status: 'other' }), participant('b', { status: null })]);
const shows = roster([participant('a'), participant('b', { status: 'other' })]);
const byAnother = roster([participant('a', { application: 'another-app' })]);

const contradicted = async (world: World): Promise<unknown[]> =>
  (await world.records()).filter(({ event }) => event === 'contradicted').map(({ detail }) => detail);

describe('a roster that never shows a confirmed recording', () => {
  test('contradicts it after the grace, once in an epoch, and moves nothing', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const writes = [await world.admitted(0), await world.admitted(1)];
      await tell(world, 0, nobody);
      await world.clock.advance(witnessGraceMs - 1);
      await tell(world, 0, nobody);
      expect(world.contradictions).toEqual([]);
      const before = await world.view();
      await world.clock.advance(1);
      for (const index of [0, 1, 0]) await tell(world, index, nobody);
      expect(world.contradictions).toEqual(['neverShown']);
      expect(await contradicted(world)).toEqual([{ kind: 'neverShown', showing: [] }]);
      const after = await world.view();
      const { notified, at, seq, head } = after.state!;
      expect(after.state).toEqual({ ...before.state, notified, at, seq, head });
      expect(after.holders).toEqual(before.holders);
      expect(writes.every(({ isLive }) => isLive)).toBe(true);
      await world.admitted(0);

      await world.run(world.stop(0));
      await world.recording();
      await world.clock.advance(witnessGraceMs);
      await tell(world, 1, nobody);
      expect(world.contradictions).toEqual(['neverShown', 'neverShown']);
    }));

  test('does not, if it showed it once, though it vanished', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 1, shows);
      await tell(world, 0, nobody);
      await world.clock.advance(2 * witnessGraceMs);
      for (const notice of [nobody, roster([]), delta([participant('a', { removed: true })])])
        await tell(world, 1, notice);
      expect(world.contradictions).toEqual([]);
      const seen = (await world.records()).filter(({ event }) => event === 'rosterNotified');
      expect(seen.map(({ detail }) => detail.showing)).toEqual([['a'], []]);
    }));

  const crowd = (size: number) =>
    Array.from({ length: size }, (_, at) => participant(`p${at}`, { status: null }));

  test.each([
    [98, ['neverShown']],
    [99, ['neverShown']],
    [100, []],
    [101, []],
    [500, []],
  ])('does so with %d participants only if Graph can have listed all of them', (size, expected) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(witnessGraceMs);
      await tell(world, 0, roster(crowd(size)));
      expect(world.contradictions).toEqual(expected);
      // Who shows it may still be among those that were left out; on another instance as well.
      await tell(world, 1, delta([participant('p1', { status: 'other', sequence: 2 })]));
      expect(world.contradictions).toEqual(expected);
      await tell(world, 1, nobody);
      expect(world.contradictions).toEqual(['neverShown']);
    }),
  );

  test('does not where so many came one by one that not all of them are known here', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const told = (from: number, to: number) =>
        delta(
          Array.from({ length: to - from }, (_, at) =>
            participant(`p${from + at}`, { status: 'other', sequence: 1 }),
          ),
        );
      for (const [from, to] of [
        [0, 40],
        [40, 80],
        [80, 95],
      ] as const)
        await tell(world, 0, told(from, to));
      await world.clock.advance(witnessGraceMs);
      await tell(world, 0, told(95, 96));
      expect(world.contradictions).toEqual([]);
    }));

  test('still shows that it goes on after the stop, however large it is', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.stop(0));
      await world.clock.advance(witnessGraceMs);
      await tell(world, 0, roster([...crowd(99), participant('a')]));
      expect(world.contradictions).toEqual(['shownAfterStop']);
    }));

  test('does not, if it showed it before Graph had answered', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 500 });
      const start = world.start(0);
      await world.clock.settle();
      await tell(world, 1, shows);
      await world.run(start);
      await tell(world, 1, nobody);
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 1, nobody);
      expect(world.contradictions).toEqual([]);
    }));

  test('does, if it shows the recording of another bot only', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(witnessGraceMs);
      await tell(world, 0, byAnother);
      expect(world.contradictions).toEqual(['neverShown']);
    }));

  test('tells our recording by the application instance that was invited', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, invitation({ facts: { applicationInstance: 'instance' } }));
      await world.recording();
      await tell(world, 0, roster([participant('a', { applicationInstance: 'other' })]));
      await world.clock.advance(witnessGraceMs);
      await tell(world, 1, roster([participant('a', { applicationInstance: 'other' })]));
      expect(world.contradictions).toEqual(['neverShown']);
      await tell(world, 1, roster([participant('a', { applicationInstance: 'instance' })]));
      expect((await world.view()).state?.notified?.roster.participants).toMatchObject({
        a: { recording: true },
      });
    }));

  test('does not, if it showed it in a delta that came before an older one', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, delta([participant('a', { sequence: 5 })]));
      await tell(world, 1, delta([participant('a', { sequence: 4, status: 'other' })]));
      expect((await world.view()).state?.notified?.roster.participants).toEqual({
        a: { recording: true, sequence: 5 },
      });
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 0, delta([participant('b', { sequence: 6, status: 'other' })]));
      expect(world.contradictions).toEqual([]);
    }));
});

describe('a roster that shows a recording after the stop', () => {
  test('contradicts it after the grace, once, and moves nothing', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, shows);
      await world.run(world.stop(0));
      await world.clock.advance(witnessGraceMs - 1);
      await tell(world, 0, shows);
      expect(world.contradictions).toEqual([]);
      await world.clock.advance(1);
      // Something else changes: the older sighting says nothing.
      await tell(world, 0, delta([participant('b', { status: 'other' })]));
      expect(world.contradictions).toEqual([]);
      for (const index of [0, 1, 0]) await tell(world, index, shows);
      expect(world.contradictions).toEqual(['shownAfterStop']);
      expect(await contradicted(world)).toEqual([{ kind: 'shownAfterStop', showing: ['a'] }]);
      expect(await world.state()).toBe('idle');
      for (const index of [0, 1]) expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test.each<[string, Notice]>([
    ['no recording', nobody],
    ['the recording of another bot', byAnother],
  ])('does not, if it shows %s', (_, notice) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.stop(0));
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 0, notice);
      expect(world.contradictions).toEqual([]);
    }),
  );

  test('is not believed before Graph has answered the stop, and lags behind that answer', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(null));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 0, shows);
      await world.run(world.stop(0));
      await tell(world, 0, shows);
      expect(world.contradictions).toEqual([]);
      await world.clock.advance(witnessGraceMs);
      await tell(world, 0, shows);
      expect(world.contradictions).toEqual(['shownAfterStop']);
    }));

  test.each([1, 2])('contradicts it, though the store did not take its change %s at once', (nth) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.stop(0));
      await world.clock.advance(witnessGraceMs);
      let changes = 0;
      world.weather = ({ name }) =>
        name === 'commit' && (changes += 1) === nth ? { before: unavailable } : {};
      await tell(world, 0, delta([participant('a', { sequence: 6 })]));
      await world.clock.advance(1000);
      expect(changes).toBe(3);
      expect(world.contradictions).toEqual(['shownAfterStop']);
      expect(await contradicted(world)).toEqual([{ kind: 'shownAfterStop', showing: ['a'] }]);
      expect((await world.view()).state?.notified?.roster.participants).toEqual({
        a: { recording: true, sequence: 6 },
      });
    }),
  );

  test('contradicts it by a delta as well', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, delta([participant('a', { sequence: 4 })]));
      await tell(world, 0, delta([participant('a', { sequence: 5, status: 'other' })]));
      await world.run(world.stop(0));
      await world.clock.advance(witnessGraceMs);
      await tell(world, 1, delta([participant('a', { sequence: 6 })]));
      expect(world.contradictions).toEqual(['shownAfterStop']);
    }));

  // Showing nobody is no change, so that this was told last is not remembered.
  test('does not, if its delta came after a newer one', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.stop(0));
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 0, delta([participant('a', { sequence: 6, status: 'other' })]));
      await tell(world, 0, delta([participant('a', { sequence: 5 })]));
      expect(world.contradictions).toEqual([]);
    }));

  test('does not, if its delta came before the stop and comes again', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, delta([participant('a', { sequence: 5 })]));
      await world.run(world.stop(0));
      await world.clock.advance(2 * witnessGraceMs);
      await tell(world, 1, delta([participant('a', { sequence: 5 })]));
      expect(world.contradictions).toEqual([]);
    }));

  test('shows it still, if a delta that says otherwise is older than the last one', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await tell(world, 0, delta([participant('a', { sequence: 5 })]));
      await tell(world, 0, delta([participant('a', { sequence: 7 })]));
      await tell(world, 0, delta([participant('a', { sequence: 6, status: 'other' })]));
      expect((await world.view()).state?.notified?.roster.participants).toMatchObject({
        a: { recording: true },
      });
    }));
});

describe('a roster that shows a recording which Graph never confirmed', () => {
  test.each([
    ['nobody asked for it', undefined, 0],
    ['Graph refused it', refused(403), witnessGraceMs],
    ['the answer was lost', lost(0), witnessGraceMs],
  ] as const)('contradicts the gate, if %s', (_, script, laterMs) =>
    inWorld(times, async (world) => {
      await tell(world, 0, invitation());
      if (script !== undefined) {
        world.graph.next('recording', script);
        await world.run(world.start(0));
        await tell(world, 0, shows);
        expect(world.contradictions).toEqual([]);
      }
      await world.clock.advance(laterMs);
      for (const index of [0, 1, 0]) await tell(world, index, shows);
      expect(world.contradictions).toEqual(['shownUnconfirmed']);
      expect(await contradicted(world)).toEqual([{ kind: 'shownUnconfirmed', showing: ['a'] }]);
      expect(await world.state()).toBe('idle');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
    }),
  );

  test('does not, if it is another bot’s', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, [invitation(), byAnother]);
      expect(world.contradictions).toEqual([]);
    }));
});

describe('a contradiction', () => {
  test('is counted once, when two instances hear of it at the same moment', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, invitation());
      await tell(world, 0, nobody);
      await world.recording();
      await world.clock.advance(witnessGraceMs);
      const held = world.hold('commit', 'before', { instance: 0 });
      world.instances[0]!.gate.receiveNotices(bot, [nobody]);
      await tell(world, 1, nobody);
      held.release();
      await world.clock.settle();
      expect(await contradicted(world)).toHaveLength(1);
      expect(world.contradictions).toEqual(['neverShown']);
    }));

  test('is counted once, when the store fails before it is in the evidence', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.clock.advance(witnessGraceMs);
      let failed = false;
      world.weather = ({ name }) => {
        if (name !== 'commit' || failed) return {};
        failed = true;
        return { before: unavailable };
      };
      await tell(world, 0, nobody);
      await world.clock.advance(1000);
      expect(await contradicted(world)).toHaveLength(1);
      expect(world.contradictions).toEqual(['neverShown']);
    }));
});

test('a roster of 1,000 participants is kept within bounds, and so is the evidence of it', () =>
  inWorld(times, async (world) => {
    await world.recording();
    const crowd = Array.from({ length: 1000 }, (_, n) => participant(`participant-${n}`, { sequence: 1 }));
    await tell(world, 0, [delta(crowd), roster(crowd), delta(crowd)]);
    const { state } = await world.view();
    expect(Object.keys(state!.notified!.roster.participants)).toHaveLength(64);
    for (const record of await world.records()) expect(JSON.stringify(record).length).toBeLessThan(4096);
    expect(await world.events()).toEqual(['startRequested', 'startConfirmed', 'rosterNotified']);
    await tell(world, 1, callIs('established'));
    await tell(world, 1, roster([]));
    expect((await world.view(theCall)).state?.notified).toMatchObject({
      states: ['established'],
      roster: { participants: {} },
    });
  }));
