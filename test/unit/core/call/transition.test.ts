import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  nextState,
  noFacts,
  retentionMs,
  stateNames,
  transitions,
  unknownCall,
  type CallState,
  type EventName,
  type StateName,
} from '../../../../src/core/call/state.ts';
import { hashOf } from '../../../../src/core/call/evidence.ts';
import {
  liveExchange,
  transition,
  watchedAs,
  type CallEvent,
  type TransitionContext,
} from '../../../../src/core/call/transition.ts';
import { runs } from '../../../support/depth.ts';
import { bot, stranger, theCall } from '../../../support/gate.ts';

const wireMs = 1000;
const noon = Date.UTC(2026, 0, 31, 12);
/** What was there at noon was seen at noon. */
const context = (
  now: number,
  remainingMs: TransitionContext['remainingMs'] = (_, forMs) => noon + forMs - now,
): TransitionContext => ({
  call: theCall,
  ...{ now, clock: now, watched: now, remainingMs },
  wireMs,
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
  openedAt: state === 'recording' || state === 'stopping' ? noon - 60_000 : null,
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

describe('the transition table', () => {
  test('opens the gate by one event in one state', () => {
    const opening = Object.keys(transitions).flatMap((event) =>
      stateNames
        .filter((from) => from !== 'recording' && nextState(from, event as EventName) === 'recording')
        .map((from) => [from, event]),
    );
    expect(opening).toEqual([['starting', 'startConfirmed']]);
  });

  test('leaves unconfirmed only by a stop', () => {
    const leaving = Object.keys(transitions)
      .map((event) => [event, nextState('unconfirmed', event as EventName)])
      .filter(([, to]) => to !== undefined && to !== 'unconfirmed');
    expect(leaving).toEqual([
      ['stopRequested', 'stopping'],
      ['stopConfirmed', 'idle'],
      ['stopRefused', 'idle'],
      ['ended', 'ended'],
    ]);
  });

  test('sends a stop only from stopping, when no holder is left', () => {
    const arriving = Object.keys(transitions).flatMap((event) =>
      stateNames
        .filter((from) => from !== 'unconfirmed' && nextState(from, event as EventName) === 'unconfirmed')
        .map((from) => [from, event]),
    );
    expect(arriving).toEqual([['stopping', 'drained']]);
  });

  test('never leaves ended', () => {
    for (const event of Object.keys(transitions))
      expect(nextState('ended', event as EventName) ?? 'ended').toBe('ended');
  });

  test('lets every state but ended be stopped', () => {
    expect(stateNames.filter((state) => nextState(state, 'stopRequested') === undefined)).toEqual(['ended']);
  });

  test('forgets a call only when it is closed and settled', () => {
    expect(stateNames.filter((state) => retentionMs(state) !== undefined)).toEqual(['idle', 'ended']);
  });
});

describe('a start', () => {
  test('takes its epoch from the clock of the store', () => {
    expect(happens(inState('idle'), { type: 'startRequested', hold }).epoch).toBe(noon);
  });

  test('takes the next epoch when the clock of the store went back', () => {
    const ahead = inState('idle', { epoch: noon + 5 });
    expect(happens(ahead, { type: 'startRequested', hold }).epoch).toBe(noon + 6);
  });

  test('holds the exchange for its time', () => {
    const { exchange } = happens(inState('idle'), { type: 'startRequested', hold });
    expect(exchange).toEqual(mine('start'));
  });

  test('waits for another that is under way, and takes over from one whose time is over', () => {
    const busy = inState('starting', { exchange: others('start') });
    const event: CallEvent = { type: 'startRequested', hold };
    const refusal = transition(busy, event, context(noon + 499));
    expect(refusal).toRefuse('StatusInProgress');
    expect(refusal).toMatchObject({ retryAfterMs: 1 });
    expect(happens(busy, event, noon + 500).exchange?.token).toBe('mine');
  });

  test.each(['stopping', 'unconfirmed'] as const)('is refused while %s (rule R3)', (state) => {
    expect(transition(inState(state), { type: 'startRequested', hold }, context(noon))).toRefuse(
      'StopUnconfirmed',
    );
  });

  test('is refused while a lost stop may be on the wire (rule R3)', () => {
    const wired = inState('idle', { wire: { token: 'lost', forMs: 300 } });
    const event: CallEvent = { type: 'startRequested', hold };
    const refusal = transition(wired, event, context(noon));
    expect(refusal).toRefuse('StopUnconfirmed');
    expect(refusal).toMatchObject({ retryAfterMs: 300 });
    expect(happens(wired, event, noon + 300).state).toBe('starting');
  });

  test('is refused for a call that has ended', () => {
    expect(transition(inState('ended'), { type: 'startRequested', hold }, context(noon))).toRefuse(
      'CallEnded',
    );
  });

  const confirmed = { type: 'startConfirmed', token: 'mine', epoch: 7, binding: bot } as const;

  test('that is confirmed opens the interval and binds the call', () => {
    const opened = happens(inState('starting', { exchange: mine('start') }), confirmed);
    expect(opened).toMatchObject({ state: 'recording', openedAt: noon, binding: bot, exchange: null });
  });

  test('that is confirmed does not change a binding', () => {
    const bound = inState('starting', { exchange: mine('start'), binding: stranger });
    expect(happens(bound, confirmed).binding).toEqual(stranger);
  });

  test.each([
    ['another handler holds the exchange', inState('starting', { exchange: others('start') })],
    ['nobody holds it any more', inState('starting')],
    ['the epoch is another', inState('starting', { exchange: mine('start'), epoch: 8 })],
    ['a stop has shut it out', inState('stopping', { exchange: mine('start'), openedAt: null })],
  ])('that is confirmed opens nothing when %s', (_, state) => {
    const step = transition(state, confirmed, context(noon));
    expect(step).toMatchObject({
      ok: true,
      value: { state: { state: state.state, openedAt: null }, record: { event: 'startSuperseded' } },
    });
  });

  test('that is superseded gives back its own exchange, and leaves that of another', () => {
    expect(happens(inState('stopping', { exchange: mine('start') }), confirmed).exchange).toBeNull();
    const taken = inState('starting', { exchange: others('start') });
    expect(happens(taken, confirmed).exchange).toEqual(others('start'));
  });

  test.each(['startRefused', 'startUnknown'] as const)('by %s leaves the call idle', (type) => {
    const state = inState('starting', { exchange: mine('start') });
    expect(happens(state, { type, token: 'mine', epoch: 7 })).toMatchObject({
      state: 'idle',
      exchange: null,
      openedAt: null,
    });
  });

  test('that is repeated waits for the exchange and changes neither state nor epoch', () => {
    const busy = inState('recording', { exchange: others('start') });
    expect(transition(busy, { type: 'repeatRequested', hold }, context(noon))).toRefuse('StatusInProgress');
    const repeating = happens(inState('recording'), { type: 'repeatRequested', hold });
    expect(repeating).toMatchObject({ state: 'recording', epoch: 7, exchange: mine('start') });
    expect(happens(repeating, { type: 'repeatSettled', token: 'mine' }).exchange).toBeNull();
    expect(happens(repeating, { type: 'repeatSettled', token: 'other' }).exchange).toEqual(mine('start'));
  });
});

describe('a stop', () => {
  test('shuts out a start in flight, which keeps the exchange until its answer is known', () => {
    const stopping = happens(inState('starting', { exchange: others('start') }), {
      type: 'stopRequested',
      hold,
    });
    expect(stopping).toMatchObject({ state: 'stopping', exchange: others('start') });
    expect(transition(stopping, { type: 'stopTakenOver', hold }, context(noon))).toRefuse('StatusInProgress');
    expect(transition(stopping, { type: 'drained', hold }, context(noon))).toRefuse('StatusInProgress');
    const over = happens(stopping, { type: 'stopTakenOver', hold }, noon + 500);
    expect(over.exchange).toEqual({ ...mine('stop'), heldAt: 2 });
  });

  test.each(['stopRequested', 'stopTakenOver'] as const)('waits for another (%s)', (type) => {
    const busy = inState('stopping', { exchange: others('stop') });
    const refusal = transition(busy, { type, hold }, context(noon + 100));
    expect(refusal).toRefuse('StatusInProgress');
    expect(refusal).toMatchObject({ retryAfterMs: 400 });
  });

  test('waits for the answer to a stop that may be on its way', () => {
    const sent = inState('unconfirmed', { exchange: others('stop') });
    expect(transition(sent, { type: 'stopRequested', hold }, context(noon))).toRefuse('StatusInProgress');
  });

  test('that takes over from one that may have been sent counts it as on the wire (rule R3)', () => {
    const sent = inState('unconfirmed', { exchange: others('stop') });
    const taken = happens(sent, { type: 'stopRequested', hold }, noon + 500);
    expect(taken.wire).toEqual({ token: 'other 1 wire', forMs: wireMs });
    // Its Graph timeout may be longer than ours: an exchange is given two of them.
    const longer = inState('unconfirmed', { exchange: others('stop', 6 * wireMs) });
    const late = happens(longer, { type: 'stopRequested', hold }, noon + 6 * wireMs);
    expect(late.wire).toEqual({ token: 'other 1 wire', forMs: 3 * wireMs });
    // One that was never sent is not.
    const waiting = inState('stopping', { exchange: others('stop') });
    expect(happens(waiting, { type: 'stopTakenOver', hold }, noon + 500).wire).toBeNull();
  });

  test('that takes over never shortens the time that a lost one may be on the wire', () => {
    const wire = { token: 'lost', forMs: 99_000 };
    const sent = inState('unconfirmed', { exchange: others('stop'), wire });
    expect(happens(sent, { type: 'stopRequested', hold }, noon + 500).wire?.forMs).toBe(98_500);
    const again = inState('unconfirmed', { exchange: mine('stop'), wire });
    expect(happens(again, { type: 'stopUnknown', token: 'mine' }, noon + 500).wire?.forMs).toBe(98_500);
  });

  test('closes the interval when no holder is left, if its handler still has the exchange', () => {
    const stopping = inState('stopping', { exchange: mine('stop') });
    expect(happens(stopping, { type: 'drained', hold: { token: 'mine', forMs: 900 } })).toMatchObject({
      state: 'unconfirmed',
      openedAt: null,
      exchange: mine('stop', 900),
    });
    const taken = inState('stopping', { exchange: others('stop') });
    expect(transition(taken, { type: 'drained', hold }, context(noon))).toRefuse('StatusInProgress');
  });

  test('is watched anew once it may be sent, since whoever waited for the drain has seen its token before', () => {
    const stopping = happens(inState('recording'), { type: 'stopRequested', hold });
    const sent = happens(stopping, { type: 'drained', hold: { token: 'mine', forMs: 500 } });
    expect(sent.exchange).toMatchObject({ token: 'mine', forMs: 500 });
    expect(watchedAs(sent.exchange!)).not.toBe(watchedAs(stopping.exchange!));
  });

  test.each([
    ['stopConfirmed', 'idle', null],
    ['stopRefused', 'idle', null],
    ['stopUnknown', 'unconfirmed', { token: 'mine 1 wire', forMs: wireMs }],
  ] as const)('by %s is %s', (type, state, wire) => {
    const sent = inState('unconfirmed', { exchange: mine('stop') });
    expect(happens(sent, { type, token: 'mine' })).toMatchObject({ state, wire, exchange: null });
  });

  test.each(['stopConfirmed', 'stopRefused', 'stopUnknown'] as const)(
    'cannot be settled (%s) by a handler that another has taken over from',
    (type) => {
      const sent = inState('unconfirmed', { exchange: others('stop') });
      expect(transition(sent, { type, token: 'mine' }, context(noon))).toRefuse('StatusInProgress');
    },
  );

  test('that is deferred gives the exchange back and stays closed', () => {
    const stopping = inState('stopping', { exchange: mine('stop') });
    const deferred = happens(stopping, { type: 'stopDeferred', token: 'mine' });
    expect(deferred).toMatchObject({ state: 'stopping', exchange: null });
    const taken = inState('stopping', { exchange: others('stop') });
    expect(transition(taken, { type: 'stopDeferred', token: 'mine' }, context(noon))).toRefuse(
      'StatusInProgress',
    );
  });
});

test('a call is bound once', () => {
  const bound = happens(unknownCall, { type: 'bound', binding: bot });
  expect(bound).toMatchObject({ state: 'idle', binding: bot });
  expect(transition(bound, { type: 'bound', binding: stranger }, context(noon))).toRefuse('CallNotFound');
});

test('an exchange whose time is over holds nobody back', () => {
  const state = inState('starting', { exchange: mine('start') });
  const live = (ms: number): unknown => liveExchange(state, context(noon + ms).remainingMs);
  expect(live(499)).toEqual({ kind: 'start', remainingMs: 1 });
  expect(live(500)).toBeNull();
});

describe('any sequence of events', () => {
  const token = fc.constantFrom('a', 'b', 'c');
  const held = fc.record({ token, forMs: fc.nat(300) });
  const epochShift = fc.constantFrom(0, 0, 0, -1, 1);
  const binding = fc.constantFrom(bot, stranger, null);
  type Draft = (epoch: number) => CallEvent;
  const drafts: fc.Arbitrary<Draft> = fc.oneof(
    fc
      .constantFrom('startRequested', 'repeatRequested', 'stopRequested', 'stopTakenOver', 'drained')
      .chain((type) => held.map((hold) => (): CallEvent => ({ type, hold }))),
    fc.tuple(token, epochShift, binding).map(([token, shift, binding]) => (epoch: number): CallEvent => ({
      type: 'startConfirmed',
      token,
      epoch: epoch + shift,
      binding,
    })),
    fc
      .tuple(fc.constantFrom('startRefused', 'startUnknown'), token, epochShift)
      .map(([type, token, shift]) => (epoch: number): CallEvent => ({ type, token, epoch: epoch + shift })),
    fc
      .constantFrom('repeatSettled', 'stopDeferred', 'stopConfirmed', 'stopRefused', 'stopUnknown')
      .chain((type) => token.map((token) => (): CallEvent => ({ type, token }))),
    fc
      .constantFrom('holderLost', 'writesRefused', 'mediaRequested')
      .map((type) => (): CallEvent => ({ type })),
    token.map((token) => (): CallEvent => ({
      type: 'operationPending',
      token,
      operation: 'op-7',
      binding: null,
    })),
    fc
      .constantFrom('notified', 'rosterNotified', 'contradicted')
      .map((type) => (): CallEvent => ({ type, notified: noFacts })),
    fc.constant((): CallEvent => ({ type: 'bound', binding: bot })),
  );
  // The clock of the store may go back, as it may after a failover.
  const times = fc.oneof(
    { weight: 9, arbitrary: fc.nat(400) },
    { weight: 1, arbitrary: fc.integer({ min: -300, max: 0 }) },
  );

  test('keeps the invariants of the gate', () => {
    const seen = new Set<StateName>();
    fc.assert(
      fc.property(fc.array(fc.tuple(drafts, times), { minLength: 10, maxLength: 80 }), (story) => {
        let state = unknownCall;
        let now = noon;
        const firstSeen = new Map<string, number>();
        const remainingMs = (token: string, forMs: number): number =>
          (firstSeen.get(token) ?? now) + forMs - now;
        const wireMsOf = ({ wire }: CallState): number =>
          wire === null ? 0 : remainingMs(wire.token, wire.forMs);
        /** Set by a stop that may have been sent, until Graph has answered one. */
        let unanswered = false;
        for (const [draft, passing] of story) {
          now += passing;
          const before = state;
          const event = draft(before.epoch);
          const step = transition(before, event, context(now, remainingMs));
          if (!step.ok) continue;
          const wireBefore = wireMsOf(before);
          ({ state } = step.value);
          const { record } = step.value;
          seen.add(state.state);

          expect(state.state).toBe(nextState(before.state, record.event));
          if (state.state === 'recording') expect(state.openedAt).not.toBeNull();
          if (state.openedAt !== null) expect(['recording', 'stopping']).toContain(state.state);
          if (record.event === 'startRequested') {
            expect(state.epoch).toBe(Math.max(before.epoch + 1, now));
            expect(liveExchange(before, remainingMs)).toBeNull();
            expect(wireBefore).toBeLessThanOrEqual(0);
          } else expect(state.epoch).toBe(before.epoch);
          if (state.state === 'recording' && before.state !== 'recording')
            expect([before.state, before.exchange?.kind, state.epoch]).toEqual([
              'starting',
              'start',
              before.epoch,
            ]);
          expect(wireMsOf(state)).toBeGreaterThanOrEqual(wireBefore);
          const names = [state.exchange && watchedAs(state.exchange), state.wire?.token];
          for (const name of names) if (name && !firstSeen.has(name)) firstSeen.set(name, now);
          if (before.binding !== null) expect(state.binding).toEqual(before.binding);

          if (event.type === 'operationPending' || 'told' in event)
            expect([state.state, state.openedAt, state.closedAt, state.exchange?.token]).toEqual([
              before.state,
              before.openedAt,
              before.closedAt,
              before.exchange?.token,
            ]);

          if (record.event === 'drained') unanswered = true;
          if (record.event === 'stopConfirmed' || record.event === 'stopRefused') unanswered = false;
          if (unanswered) expect(['unconfirmed', 'stopping']).toContain(state.state);

          const { hash, ...unsealed } = record;
          expect(hash).toBe(hashOf(unsealed));
          expect([record.seq, record.prev]).toEqual([before.seq + 1, before.head]);
          expect([state.seq, state.head]).toEqual([record.seq, hash]);
        }
      }),
      runs(1000),
    );
    expect([...seen].sort()).toEqual(['idle', 'recording', 'starting', 'stopping', 'unconfirmed']);
  });
});
