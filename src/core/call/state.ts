import type { GraphCallState } from './graph-state.ts';
import { emptyRoster, type Roster } from './roster.ts';

/**
 * The life of a call's gate, as data. What holds in each state:
 *
 * - `idle`         gate closed; no status request of ours is known to be needed
 * - `starting`     gate closed; `recording` is on its way to Graph in this epoch
 * - `recording`    gate open; Graph has confirmed `recording` in this epoch
 * - `stopping`     gate closed; holders are leaving, no new one can appear
 * - `unconfirmed`  gate closed, no holder is left, the interval is closed; the stop was or may have been sent
 * - `pausing`      gate closed; holders are leaving, and nothing is sent to Graph (reserved: no event leads here)
 * - `paused`       gate closed, no holder is left; Graph's confirmation stands (reserved: no event leads here)
 * - `ended`        gate closed for good; the id will not be used again
 */
export const stateNames = [
  'idle',
  'starting',
  'recording',
  'stopping',
  'unconfirmed',
  'pausing',
  'paused',
  'ended',
] as const;
export type StateName = (typeof stateNames)[number];

type Targets = Readonly<Partial<Record<StateName, StateName>>>;

const same = (...states: StateName[]): Targets => Object.fromEntries(states.map((state) => [state, state]));
const living = same('idle', 'starting', 'recording', 'stopping', 'unconfirmed', 'pausing', 'paused');

/** Event -> state it may happen in -> state afterwards. The one table that the gate, the stores and the verifier share. */
export const transitions = {
  /** The call was bound to the tenant and application that Graph first accepted for it. */
  bound: same(...stateNames),
  startRequested: { idle: 'starting', starting: 'starting' },
  startConfirmed: { starting: 'recording' },
  startRefused: { starting: 'idle' },
  startUnknown: { starting: 'idle' },
  /** Graph's answer to a start came when a stop had already shut it out. */
  startSuperseded: same(...stateNames),
  /** Graph took a status change and named an operation whose end is to be seen. */
  operationPending: same('starting', 'recording', 'stopping', 'unconfirmed'),
  /** `recording` is sent again while recording; its failure does not undo the first success. */
  repeatRequested: same('recording'),
  repeatSettled: same(...stateNames),
  stopRequested: {
    idle: 'stopping',
    starting: 'stopping',
    recording: 'stopping',
    stopping: 'stopping',
    unconfirmed: 'stopping',
    pausing: 'stopping',
    paused: 'stopping',
  },
  /** Another request continues a stop whose handler is gone. */
  stopTakenOver: same('stopping'),
  /** A holder's session is gone; it was waited out for one whole TTL. */
  holderLost: same('stopping'),
  /** The stop could not be sent within its bound. */
  stopDeferred: same('stopping'),
  /** No holder is left: the interval is closed, and only now may the stop be sent. */
  drained: { stopping: 'unconfirmed' },
  stopConfirmed: { unconfirmed: 'idle' },
  /** A definite refusal by Graph: nothing is on the wire, the gate stays closed. */
  stopRefused: { unconfirmed: 'idle' },
  stopUnknown: same('unconfirmed'),
  /** An operator closed the call, and there is no credential to tell Graph with. */
  stopNotSent: same('unconfirmed'),
  ended: { idle: 'ended', unconfirmed: 'ended' },
  /** Writes that were refused since the last such record, by reason. */
  writesRefused: same(...stateNames),
  metadataUpdated: same(...stateNames),
  operationPatched: same(...stateNames),
  mediaRequested: same('recording'),
  /** Graph notified of the call, or of another state of it. */
  notified: living,
  /** Who of the participants shows a recording has changed. */
  rosterNotified: living,
  /** The roster says something against the gate, which does not move for it. */
  contradicted: living,
  /** The notifications of this call will not come through the proxy. */
  callbackBypassed: living,
  /** A stop was asked for while Graph could not say whether its token is good: one instance holds the gate closed until it can. */
  stopUnproven: living,
} as const satisfies Record<string, Targets>;

export type EventName = keyof typeof transitions;

export const nextState = (state: StateName, event: EventName): StateName | undefined =>
  (transitions[event] as Targets)[state];

/** The tenant and application (lower-case GUIDs) that a call belongs to. */
export interface Binding {
  readonly tenant: string;
  readonly app: string;
}

/** The status request of a call that may be outstanding at Graph; there is at most one. */
export interface Exchange {
  readonly kind: 'start' | 'stop';
  /** Names the handler that holds it. */
  readonly token: string;
  /** The number of the record with which it was stored: a handler may hold it anew, for another time. */
  readonly heldAt: number;
  /** So long after it was stored, ms, its handler sends nothing any more. Whoever waits counts from when it saw the token first. */
  readonly forMs: number;
  /** The operation that Graph named, while its end is awaited. */
  readonly operation?: string;
}

/** A stop of unknown outcome that may still reach Graph within this time after it was stored, ms. */
export interface Wire {
  readonly token: string;
  readonly forMs: number;
}

/** What notifications from Graph have reported about a call. */
export interface NotifiedFacts {
  /** Each state once, in the order of their first notification. */
  readonly states: readonly GraphCallState[];
  /** Object id of the application instance that was invited. */
  readonly applicationInstance: string | null;
  readonly roster: Roster;
}

export const noFacts: NotifiedFacts = { states: [], applicationInstance: null, roster: emptyRoster };

/** What the store keeps of a call. No deadline is among it: see docs/design/time.md. */
export interface CallState {
  readonly state: StateName;
  /** Grows with every start, never goes back: `max(last + 1, protocol time)`. 0 before the first start. */
  readonly epoch: number;
  readonly binding: Binding | null;
  readonly exchange: Exchange | null;
  /** While it may still reach Graph no start may be sent (rule R3); null: there is none. */
  readonly wire: Wire | null;
  /** When the open interval began, by the store's own clock, ms since the epoch; null while closed. */
  readonly openedAt: number | null;
  /** When a start was last asked for, or confirmed, in watched time, ms. */
  readonly startedAt: number;
  /** When Graph had last answered the stop that ended an interval of this epoch, in watched time, ms; null: none has ended. */
  readonly closedAt: number | null;
  /** null: no notification yet. */
  readonly notified: NotifiedFacts | null;
  /** The evidence chain: the time of the last record (ms; 0: there is none), how many there are, and the last one's hash. */
  readonly at: number;
  readonly seq: number;
  readonly head: string | null;
}

export const unknownCall: CallState = {
  state: 'idle',
  epoch: 0,
  binding: null,
  exchange: null,
  wire: null,
  openedAt: null,
  startedAt: 0,
  closedAt: null,
  notified: null,
  at: 0,
  seq: 0,
  head: null,
};

const day = 24 * 60 * 60 * 1000;

/** States in which the store never expires a call. */
export const keptStates: readonly StateName[] = stateNames.filter(
  (state) => state !== 'ended' && state !== 'idle',
);

/**
 * How long the store keeps a call after its last change, in watched time; `undefined`: until it ends, since a holder
 * may exist.
 */
export const retentionMs = (state: StateName): number | undefined =>
  keptStates.includes(state) ? undefined : 2 * day;

/**
 * Whether the call can be ended for being idle. A call without an owner and without an open recording only expires.
 */
export const isWatched = ({ state, binding }: Pick<CallState, 'state' | 'binding'>): boolean =>
  state !== 'ended' && (state !== 'idle' || binding !== null);

/**
 * The events after which less may be sent or admitted than before, or the same. A store that is full takes them, since
 * nothing may keep a stop from being stored.
 */
export const closingEvents: readonly EventName[] = [
  'stopRequested',
  'stopTakenOver',
  'holderLost',
  'stopDeferred',
  'drained',
  'stopConfirmed',
  'stopRefused',
  'stopUnknown',
  'stopNotSent',
  'ended',
  'startRefused',
  'startUnknown',
  'startSuperseded',
  'repeatSettled',
  'operationPending',
  'stopUnproven',
];
