import { describe, expect, test } from '@jest/globals';
import { contradictions, emptyRoster, type Roster } from '../../../../src/core/call/roster.ts';
import { type CallState, unknownCall } from '../../../../src/core/call/state.ts';
import { contradictionOf } from '../../../../src/core/notices/witness.ts';

const graceMs = 5000;
const noon = Date.UTC(2026, 0, 31, 12);
const epoch = noon - 60_000;

const silent = { shown: false, stated: false };
const remembered = { shown: true, stated: false };
const stated = { shown: true, stated: true };

const recording: Partial<CallState> = { state: 'recording', epoch, startedAt: noon - graceMs };
const stopped: Partial<CallState> = { state: 'idle', epoch, closedAt: noon - graceMs };
const neverConfirmed: Partial<CallState> = {
  state: 'idle',
  epoch,
  startedAt: noon - graceMs,
  closedAt: null,
};

const judge = (
  state: Partial<CallState>,
  reading: typeof silent,
  { now = noon, roster = {} }: { now?: number; roster?: Partial<Roster> } = {},
): string | undefined =>
  contradictionOf({ ...unknownCall, ...state }, { ...emptyRoster, ...roster }, reading, now, graceMs);

describe('a roster that never shows a confirmed recording', () => {
  test('contradicts it after the grace, not before', () => {
    expect(judge(recording, silent, { now: noon - 1 })).toBeUndefined();
    expect(judge(recording, silent)).toBe('neverShown');
  });

  test('is one that did not show it in this epoch', () => {
    expect(judge(recording, silent, { roster: { shownIn: epoch } })).toBeUndefined();
    expect(judge(recording, silent, { roster: { shownIn: epoch - 1 } })).toBe('neverShown');
  });

  test.each([remembered, stated])('does not show it now (%j)', (reading) => {
    expect(judge(recording, reading)).toBeUndefined();
  });
});

describe('a roster that shows a recording after the stop', () => {
  test('contradicts it after the grace, not before', () => {
    expect(judge(stopped, stated, { now: noon - 1 })).toBeUndefined();
    expect(judge(stopped, stated)).toBe('shownAfterStop');
  });

  test.each([remembered, silent])('says so itself, not an older one (%j)', (reading) => {
    expect(judge(stopped, reading)).toBeUndefined();
  });
});

describe('a roster that shows a recording which was never confirmed', () => {
  test('contradicts the gate once the start is long enough ago, not before', () => {
    expect(judge(neverConfirmed, stated, { now: noon - 1 })).toBeUndefined();
    expect(judge(neverConfirmed, stated)).toBe('shownUnconfirmed');
    expect(judge({ state: 'idle' }, stated)).toBe('shownUnconfirmed');
  });

  test.each([remembered, silent])('says so itself, not an older one (%j)', (reading) => {
    expect(judge(neverConfirmed, reading)).toBeUndefined();
  });
});

test.each(['starting', 'stopping', 'unconfirmed', 'ended'] as const)(
  'nothing contradicts a call that is %s',
  (state) => {
    for (const reading of [silent, remembered, stated])
      for (const closedAt of [null, noon - 99_000])
        expect(judge({ state, epoch, startedAt: noon - 99_000, closedAt }, reading)).toBeUndefined();
  },
);

test.each([
  ['neverShown', recording, silent],
  ['shownAfterStop', stopped, stated],
  ['shownUnconfirmed', { ...neverConfirmed, epoch }, stated],
] as const)('%s is raised once per epoch', (kind, state, reading) => {
  expect(judge(state, reading)).toBe(kind);
  expect(judge(state, reading, { roster: { contradictedIn: { [kind]: epoch } } })).toBeUndefined();
  expect(judge(state, reading, { roster: { contradictedIn: { [kind]: epoch - 1 } } })).toBe(kind);
  for (const other of Object.keys(contradictions).filter((one) => one !== kind))
    expect(judge(state, reading, { roster: { contradictedIn: { [other]: epoch } } })).toBe(kind);
});
