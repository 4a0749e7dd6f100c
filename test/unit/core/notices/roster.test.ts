import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyRoster, type Roster } from '../../../../src/core/call/roster.ts';
import type { Notice, RosterEntry } from '../../../../src/core/notices/notice.ts';
import { readRoster, type Recorder, showingOf } from '../../../../src/core/notices/roster.ts';
import { delta, participant, roster } from '../../../support/notices.ts';

const self: Recorder = { application: 'our-app', applicationInstance: 'our-instance' };
const another = { application: 'another-app' };

type RosterNotice = Extract<Notice, { kind: 'roster' }>;

const readAll = (notices: readonly RosterNotice[], by = self): Roster =>
  notices.reduce((known, notice) => readRoster(known, notice, by).roster, emptyRoster);

const showing = (...notices: RosterNotice[]): string[] => showingOf(readAll(notices).participants);

describe('a full roster', () => {
  test('tells who shows a recording, and forgets who is not in it', () => {
    expect(
      showing(roster([participant('b'), participant('a'), participant('c', { status: 'other' })])),
    ).toEqual(['a', 'b']);
    expect(showing(roster([participant('a'), participant('b')]), roster([participant('b')]))).toEqual(['b']);
    expect(showing(roster([participant('a')]), roster([]))).toEqual([]);
  });

  test('in which a participant has no status shows nothing of them', () => {
    expect(showing(roster([participant('a')]), roster([participant('a', { status: null })]))).toEqual([]);
  });

  test.each([
    ['recording', 'other'],
    ['other', 'recording'],
  ] as const)('that says %s of somebody is older than a delta that says %s', (first, later) => {
    const full = roster([participant('a', { sequence: 0, status: first })]);
    const known = readAll([full, delta([participant('a', { sequence: 5, status: later })])]);
    const again = readRoster(known, full, self);
    expect(again).toEqual({ roster: known, changed: false, shown: later === 'recording', stated: false });
  });

  test('of the same number as the last tells how it is now', () => {
    const [first, later] = (['other', 'recording'] as const).map((status) =>
      roster([participant('a', { sequence: 0, status })]),
    );
    expect(showing(first!, later!)).toEqual(['a']);
    expect(showing(later!, first!)).toEqual([]);
  });

  test('keeps what is known of the call besides', () => {
    const known: Roster = { participants: {}, shownIn: 7, contradictedIn: { neverShown: 6 } };
    expect(readRoster(known, roster([participant('a')]), self).roster).toEqual({
      ...known,
      participants: { a: { recording: true, sequence: null } },
    });
  });
});

describe('a delta of the roster', () => {
  test('leaves who is not in it as they were', () => {
    const first = roster([participant('a'), participant('b')]);
    expect(showing(first, delta([participant('b', { status: 'other' }), participant('c')]))).toEqual([
      'a',
      'c',
    ]);
  });

  test('without a status leaves a participant as they were', () => {
    expect(
      showing(roster([participant('a')]), delta([participant('a', { status: null, sequence: 4 })])),
    ).toEqual(['a']);
  });

  test.each([null, 3])('that removes a participant (sequence %s) removes what they showed', (sequence) => {
    const leaves = participant('a', { removed: true, sequence });
    expect(showing(roster([participant('a'), participant('b')]), delta([leaves]))).toEqual(['b']);
  });

  test('that is older than what is known tells nothing', () => {
    const known = readAll([delta([participant('a', { sequence: 5, status: 'other' })])]);
    const late = readRoster(known, delta([participant('a', { sequence: 4 })]), self);
    expect(late).toEqual({ roster: known, changed: false, shown: false, stated: false });
  });

  test('that comes again changes nothing', () => {
    const notice = delta([participant('a', { sequence: 5 })]);
    const known = readAll([notice]);
    expect(readRoster(known, notice, self)).toMatchObject({ roster: known, changed: false, shown: true });
  });

  test('does not bring back a participant who has left', () => {
    const left = delta([participant('a', { sequence: 5, removed: true })]);
    expect(showing(left, delta([participant('a', { sequence: 4 })]))).toEqual([]);
  });

  const statuses = fc.constantFrom<RosterEntry['status']>('recording', 'other', null);
  const histories = fc.array(
    fc.array(fc.record({ status: statuses, removed: fc.boolean(), ours: fc.boolean() }), { maxLength: 6 }),
    { minLength: 1, maxLength: 6 },
  );

  test('tells the same in whatever order, and however often, deltas arrive', () => {
    let shown = 0;
    fc.assert(
      fc.property(
        histories.chain((history) => {
          const entries = history.flatMap((steps, who) =>
            steps.map(({ ours, ...step }, at) =>
              participant(`p${who}`, { ...step, sequence: at + 1, ...(ours ? {} : another) }),
            ),
          );
          const deliveries = fc.shuffledSubarray([...entries, ...entries], {
            minLength: 2 * entries.length,
            maxLength: 2 * entries.length,
          });
          return fc.tuple(fc.constant(history), deliveries);
        }),
        ([history, deliveries]) => {
          const expected = history.flatMap((steps, who) => {
            const last = steps.filter(({ status, removed }) => removed || status !== null).at(-1);
            const recording = last?.removed === false && last.status === 'recording' && last.ours;
            return recording ? [`p${who}`] : [];
          });
          shown += expected.length;
          expect(showing(...deliveries.map((entry) => delta([entry])))).toEqual(expected.sort());
        },
      ),
    );
    expect(shown).toBeGreaterThan(10);
  });
});

describe('a recording that a participant shows', () => {
  test.each<[string, Parameters<typeof participant>[1], boolean]>([
    ['our application', { application: 'our-app' }, true],
    ['our application, whatever instance', { application: 'our-app', applicationInstance: 'x' }, true],
    ['our application instance', { applicationInstance: 'our-instance' }, true],
    ['nobody who is named', {}, true],
    ['another application', another, false],
    [
      'another application, though the instance is ours',
      { ...another, applicationInstance: 'our-instance' },
      false,
    ],
    ['another application instance', { applicationInstance: 'another' }, false],
  ])('initiated by %s: ours is %s', (_, facts, ours) => {
    const reading = readRoster(emptyRoster, roster([participant('a', facts)]), self);
    expect(reading).toMatchObject({ shown: ours, stated: ours, changed: ours });
  });

  test('counts as ours while it is not known who we are', () => {
    const unknown = { application: null, applicationInstance: null };
    expect(readRoster(emptyRoster, roster([participant('a', another)]), unknown).shown).toBe(true);
  });

  test('and that another bot took over, is not ours any more', () => {
    expect(showing(delta([participant('a')]), delta([participant('a', another)]))).toEqual([]);
  });

  test('is stated only by the notification that says so', () => {
    const known = readAll([roster([participant('a')])]);
    expect(readRoster(known, delta([participant('b', { status: 'other' })]), self)).toMatchObject({
      shown: true,
      stated: false,
      changed: false,
    });
  });

  test('is a change when another shows it', () => {
    const known = readAll([roster([participant('a')])]);
    expect(readRoster(known, roster([participant('b')]), self).changed).toBe(true);
  });
});

describe('of a meeting of 1,000 participants', () => {
  const crowd = (facts: (at: number) => Parameters<typeof participant>[1]): RosterEntry[] =>
    Array.from({ length: 1000 }, (_, at) => participant(`p${at}`, facts(at)));

  test.each([
    ['who all show a recording', () => ({})],
    ['who all show none', () => ({ status: 'other' as const, sequence: 1 })],
  ])('%s, a bounded number is kept', (_, facts) => {
    for (const notice of [roster(crowd(facts)), delta(crowd(facts))]) {
      const { participants } = readRoster(emptyRoster, notice, self).roster;
      expect(Object.keys(participants).length).toBeLessThanOrEqual(64);
    }
  });

  test('those who show a recording are kept first', () => {
    const facts = (at: number) => ({
      sequence: 1,
      status: at % 100 === 99 ? ('recording' as const) : ('other' as const),
    });
    expect(showing(delta(crowd(facts)))).toHaveLength(10);
  });

  test('who all show a recording, repetitions change nothing', () => {
    const notice = roster(crowd(() => ({})));
    const known = readAll([notice]);
    expect(readRoster(known, notice, self).changed).toBe(false);
  });

  test('who all show a recording, the order in which they are named changes nothing', () => {
    const named = crowd(() => ({}));
    const known = readAll([roster(named)]);
    expect(readRoster(known, roster([...named].reverse()), self).changed).toBe(false);
  });
});
