import { describe, expect, test } from '@jest/globals';
import {
  noFacts,
  stateNames,
  unknownCall,
  type CallState,
  type StateName,
  type NotifiedFacts,
} from '../../../../src/core/call/state.ts';
import { transition, type CallEvent, type TransitionContext } from '../../../../src/core/call/transition.ts';
import { bot, theCall } from '../../../support/gate.ts';

const noon = Date.UTC(2026, 0, 31, 12);
/** What was there at noon was seen at noon. */
const context = (now: number): TransitionContext => ({
  call: theCall,
  ...{ now, clock: now, watched: now, remainingMs: (_, forMs) => noon + forMs - now },
  wireMs: 1000,
  instance: 'session-1',
  policy: null,
  by: null,
  enforced: true,
  detail: {},
});

const inState = (state: StateName, changes: Partial<CallState> = {}): CallState => ({
  ...unknownCall,
  state,
  epoch: 7,
  ...changes,
});

const happens = (state: CallState, event: CallEvent, now = noon): CallState => {
  const step = transition(state, event, context(now));
  if (!step.ok) throw new Error(`${event.type} was refused: ${step.reason}`);
  return step.value.state;
};

const hold = { token: 'mine', forMs: 500 };
const mine = (kind: 'start' | 'stop', forMs = 500) => ({ kind, token: 'mine', heldAt: 1, forMs }) as const;
const others = (kind: 'start' | 'stop', forMs = 500) => ({ kind, token: 'other', heldAt: 1, forMs }) as const;

describe('an operation that Graph has named', () => {
  const event = { type: 'operationPending', token: 'mine', operation: 'op-7', binding: null } as const;

  test.each(['starting', 'recording', 'stopping', 'unconfirmed'] as const)(
    'is noted with the exchange it belongs to, while %s',
    (state) => {
      const before = inState(state, { exchange: mine('start') });
      const { exchange, at, seq, head, ...after } = happens(before, event);
      expect(exchange).toEqual({ ...mine('start'), operation: 'op-7' });
      expect({ ...before, ...after, exchange: before.exchange }).toEqual(before);
      expect([at, seq, head === null]).toEqual([noon, 1, false]);
      const taken = inState(state, { exchange: others('stop') });
      expect(transition(taken, event, context(noon))).toRefuse('StatusInProgress');
    },
  );

  test('is forgotten with its exchange', () => {
    const pending = happens(inState('starting', { exchange: mine('start') }), event);
    expect(happens(pending, { type: 'startUnknown', token: 'mine', epoch: 7 }).exchange).toBeNull();
    expect(happens(pending, { type: 'startRequested', hold }, noon + 500).exchange).toEqual({
      ...mine('start'),
      heldAt: 2,
    });
  });
});

describe('what Graph tells', () => {
  const notified: NotifiedFacts = { ...noFacts, states: ['established'] };
  const known = (state: StateName): CallState =>
    inState(state, {
      exchange: others('start'),
      wire: { token: 'old', forMs: 5 },
      closedAt: noon - 5,
      binding: bot,
    });

  test.each(['notified', 'rosterNotified', 'contradicted'] as const)(
    'changes nothing else of a call (%s), and nothing of one that has ended',
    (type) => {
      for (const state of stateNames.filter((name) => name !== 'ended')) {
        const { at, seq, head, ...after } = happens(known(state), { type, notified });
        expect(after).toEqual({ ...known(state), notified, at: undefined, seq: undefined, head: undefined });
        expect([at, seq, head === null]).toEqual([noon, 1, false]);
      }
      expect(transition(known('ended'), { type, notified }, context(noon))).toRefuse('CallEnded');
    },
  );

  test('is kept when the call ends', () => {
    expect(happens(inState('idle', { notified }), { type: 'ended' })).toMatchObject({
      state: 'ended',
      notified,
    });
  });
});

describe('the end of an interval', () => {
  const drained = { type: 'drained', hold } as const;
  const closing = (openedAt: number | null, closedAt: number | null): CallState =>
    inState('stopping', { exchange: mine('stop'), openedAt, closedAt });

  test('is noted when it is closed, and again when Graph has answered', () => {
    const sent = happens(closing(noon - 60_000, null), drained);
    expect(sent.closedAt).toBe(noon);
    expect(happens(sent, { type: 'stopUnknown', token: 'mine' }, noon + 70).closedAt).toBe(noon);
    for (const type of ['stopConfirmed', 'stopRefused'] as const)
      expect(happens(sent, { type, token: 'mine' }, noon + 70).closedAt).toBe(noon + 70);
  });

  test('is not made up where none was open, and not moved by a stop of an idle call', () => {
    const sent = happens(closing(null, null), drained);
    expect(happens(sent, { type: 'stopConfirmed', token: 'mine' }).closedAt).toBeNull();
    expect(happens(closing(null, noon - 9), drained).closedAt).toBe(noon - 9);
  });

  test('belongs to its epoch', () => {
    expect(
      happens(inState('idle', { closedAt: noon - 9 }), { type: 'startRequested', hold }).closedAt,
    ).toBeNull();
  });
});
