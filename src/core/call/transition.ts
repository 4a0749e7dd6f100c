import {
  nextState,
  type Binding,
  type CallState,
  type EventName,
  type Exchange,
  type NotifiedFacts,
  type Wire,
} from './state.ts';
import type { CallKey } from './key.ts';
import { chain, type EvidenceRecord } from './evidence.ts';
import { grant, refuse, type Decision } from '../decision.ts';
import type { JsonObject } from '../json.ts';

/** Who holds the exchange with Graph, and for how long from now. */
interface Hold {
  readonly token: string;
  readonly forMs: number;
}

/** Events of a call. `token` names the handler that holds the exchange with Graph. */
export type CallEvent =
  | { readonly type: 'bound'; readonly binding: Binding }
  | { readonly type: 'startRequested'; readonly hold: Hold }
  | {
      readonly type: 'startConfirmed';
      readonly token: string;
      readonly epoch: number;
      readonly binding: Binding | null;
    }
  | { readonly type: 'startRefused' | 'startUnknown'; readonly token: string; readonly epoch: number }
  | { readonly type: 'repeatRequested'; readonly hold: Hold }
  | { readonly type: 'repeatSettled'; readonly token: string }
  | { readonly type: 'stopRequested'; readonly hold: Hold }
  | { readonly type: 'stopTakenOver'; readonly hold: Hold }
  | { readonly type: 'stopDeferred'; readonly token: string }
  | { readonly type: 'drained'; readonly hold: Hold }
  | {
      readonly type: 'stopConfirmed' | 'stopRefused' | 'stopUnknown' | 'stopNotSent';
      readonly token: string;
    }
  | { readonly type: 'ended' }
  | {
      readonly type: 'operationPending';
      readonly token: string;
      readonly operation: string;
      readonly binding: Binding | null;
    }
  | { readonly type: 'notified' | 'rosterNotified' | 'contradicted'; readonly notified: NotifiedFacts }
  | {
      readonly type:
        | 'holderLost'
        | 'writesRefused'
        | 'metadataUpdated'
        | 'operationPatched'
        | 'mediaRequested'
        | 'callbackBypassed'
        | 'stopUnproven';
    };

/** What every event carries besides its type. */
export interface TransitionContext {
  readonly call: CallKey;
  /** Protocol time, ms: epochs grow with it, and nothing else. */
  readonly now: number;
  /** The store's own clock, ms since the epoch: for the evidence alone, since it may be set. */
  readonly clock: number;
  /** The watched time of the call's part of the store, ms. */
  readonly watched: number;
  /** How much is left, ms, of the time that a token is given, by the clock of whoever asks; 0 or less: it is over. */
  readonly remainingMs: (token: string, forMs: number) => number;
  /** How long a request to Graph may be on the wire after its handler gave up, ms (one Graph timeout). */
  readonly wireMs: number;
  readonly instance: string;
  readonly policy: string | null;
  readonly by: Binding | null;
  readonly detail: JsonObject;
}

export interface Step {
  readonly state: CallState;
  readonly record: EvidenceRecord;
}

type Changes = Partial<Omit<CallState, 'state' | 'at' | 'seq' | 'head'>>;

/** An exchange, or the remainder of one that may still reach Graph, for which others wait. */
export interface LiveExchange {
  readonly kind: Exchange['kind'];
  readonly remainingMs: number;
}

/** Name under which an exchange is watched; it did not exist before the exchange was stored. */
export const watchedAs = ({ token, heldAt }: Exchange): string => `${token} ${heldAt}`;

/** The exchange that others must wait for; an expired exchange does not count. */
export function liveExchange(
  { exchange }: CallState,
  remainingMs: TransitionContext['remainingMs'],
): LiveExchange | null {
  if (exchange === null) return null;
  const left = remainingMs(watchedAs(exchange), exchange.forMs);
  return left > 0 ? { kind: exchange.kind, remainingMs: left } : null;
}

const wireMsLeft = ({ wire }: CallState, remainingMs: TransitionContext['remainingMs']): number =>
  wire === null ? 0 : remainingMs(wire.token, wire.forMs);

/**
 * The state machine: the next state and its evidence, or a refusal. Pure; the stores only compare and swap.
 */
export function transition(state: CallState, event: CallEvent, occasion: TransitionContext): Decision<Step> {
  const judged = judge(state, event, occasion);
  if (!judged.ok) return judged;
  const { name, changes } = judged.value;
  const next = nextState(state.state, name);
  if (next === undefined) return refuse(state.state === 'ended' ? 'CallEnded' : 'StatusInProgress');
  return grant(
    chain(state, { ...state, ...changes, state: next }, { ...occasion, at: occasion.clock, event: name }),
  );
}

interface Judged {
  readonly name: EventName;
  readonly changes: Changes;
}

const happens = (name: EventName, changes: Changes = {}): Decision<Judged> => grant({ name, changes });

function judge(state: CallState, event: CallEvent, occasion: TransitionContext): Decision<Judged> {
  const { now, clock, watched, remainingMs, wireMs } = occasion;
  switch (event.type) {
    case 'bound':
      return state.binding === null ? happens('bound', { binding: event.binding }) : refuse('CallNotFound');
    case 'startRequested': {
      const busy = inTheWay(state, remainingMs);
      if (busy !== undefined) return busy;
      return happens('startRequested', {
        epoch: Math.max(state.epoch + 1, now),
        exchange: held('start', event.hold, state),
        startedAt: watched,
        closedAt: null,
      });
    }
    case 'startConfirmed':
    case 'startRefused':
    case 'startUnknown': {
      const mine = state.exchange?.token === event.token;
      const cleared: Changes = mine ? { exchange: null } : {};
      // A reply for an older epoch, or after a stop has shut the start out, opens nothing.
      if (!mine || state.state !== 'starting' || state.epoch !== event.epoch)
        return happens('startSuperseded', cleared);
      if (event.type !== 'startConfirmed') return happens(event.type, cleared);
      return happens('startConfirmed', {
        ...cleared,
        openedAt: clock,
        startedAt: watched,
        binding: state.binding ?? event.binding,
      });
    }
    case 'repeatRequested': {
      const live = liveExchange(state, remainingMs);
      if (live !== null) return inProgress(live);
      return happens('repeatRequested', { exchange: held('start', event.hold, state) });
    }
    case 'repeatSettled':
      return happens('repeatSettled', state.exchange?.token === event.token ? { exchange: null } : {});
    case 'stopRequested': {
      const live = liveExchange(state, remainingMs);
      if (live?.kind === 'stop') return inProgress(live);
      // A start in flight keeps the exchange until its answer is known: Graph must see the two in order.
      return happens('stopRequested', live === null ? takeOver(state, event.hold, occasion) : {});
    }
    case 'stopTakenOver': {
      const live = liveExchange(state, remainingMs);
      if (live !== null) return inProgress(live);
      return happens('stopTakenOver', takeOver(state, event.hold, occasion));
    }
    case 'drained':
      // Its time may be over: as long as nobody took the exchange over, nobody else sends.
      if (state.exchange?.token !== event.hold.token)
        return refuse('StatusInProgress', { retryAfterMs: 1000 });
      return happens('drained', {
        openedAt: null,
        closedAt: state.openedAt === null ? state.closedAt : watched,
        exchange: held('stop', event.hold, state),
      });
    case 'stopDeferred':
      return state.exchange?.token === event.token
        ? happens(event.type, { exchange: null })
        : refuse('StatusInProgress');
    case 'stopConfirmed':
    case 'stopRefused':
      return state.exchange?.token === event.token
        ? happens(event.type, { exchange: null, closedAt: state.closedAt === null ? null : watched })
        : refuse('StatusInProgress');
    case 'operationPending':
      return state.exchange?.token === event.token
        ? happens(event.type, {
            exchange: { ...state.exchange, operation: event.operation },
            // Graph has taken the request, so the call is theirs.
            binding: state.binding ?? event.binding,
          })
        : refuse('StatusInProgress');
    case 'notified':
    case 'rosterNotified':
    case 'contradicted':
      return happens(event.type, { notified: event.notified });
    case 'stopUnknown':
      return state.exchange?.token === event.token
        ? happens('stopUnknown', {
            exchange: null,
            wire: onWire(state.exchange, Math.max(wireMs, wireMsLeft(state, remainingMs))),
          })
        : refuse('StatusInProgress');
    case 'stopNotSent':
      return state.exchange?.token === event.token
        ? happens('stopNotSent', { exchange: null })
        : refuse('StatusInProgress');
    case 'ended':
      return happens('ended', { exchange: null });
    case 'holderLost':
    case 'writesRefused':
    case 'metadataUpdated':
    case 'operationPatched':
    case 'mediaRequested':
    case 'callbackBypassed':
    case 'stopUnproven':
      return happens(event.type);
  }
}

/** What keeps a start from being sent now (rules R3 and R5). */
function inTheWay(
  state: CallState,
  remainingMs: TransitionContext['remainingMs'],
): Decision<never> | undefined {
  const live = liveExchange(state, remainingMs);
  if (live !== null) return inProgress(live);
  if (state.state === 'stopping' || state.state === 'unconfirmed') return refuse('StopUnconfirmed');
  const retryAfterMs = wireMsLeft(state, remainingMs);
  return retryAfterMs > 0 ? refuse('StopUnconfirmed', { retryAfterMs }) : undefined;
}

const inProgress = ({ remainingMs }: LiveExchange): Decision<never> =>
  refuse('StatusInProgress', { retryAfterMs: remainingMs });

/** The handler before may have sent its stop at the last moment of its time. */
function takeOver(state: CallState, hold: Hold, { remainingMs, wireMs }: TransitionContext): Changes {
  const { exchange } = state;
  const next = held('stop', hold, state);
  if (exchange?.kind !== 'stop' || state.state !== 'unconfirmed') return { exchange: next };
  // Its Graph timeout may have been longer than ours: the exchange was given two of them.
  const forMs = Math.max(wireMs, exchange.forMs / 2, wireMsLeft(state, remainingMs));
  return { exchange: next, wire: onWire(exchange, forMs) };
}

const held = (kind: Exchange['kind'], { token, forMs }: Hold, { seq }: CallState): Exchange => ({
  kind,
  token,
  heldAt: seq + 1,
  forMs,
});

const onWire = (exchange: Exchange, forMs: number): Wire => ({ token: `${watchedAs(exchange)} wire`, forMs });
