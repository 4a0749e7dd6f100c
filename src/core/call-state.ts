import type { GraphCallState } from './graph-notice.ts';
import { emptyRoster, type Roster } from './roster.ts';

/**
 * The life of a call's gate, as data. What holds in each state:
 *
 * - `idle`         gate closed; no status request of ours is known to be needed
 * - `starting`     gate closed; `recording` is on its way to Graph in this epoch
 * - `recording`    gate open; Graph has confirmed `recording` in this epoch
 * - `stopping`     gate closed; holders are leaving, no new one can appear
 * - `unconfirmed`  gate closed, no holder is left, the interval is closed; the stop was or may have been sent
 * - `pausing`      gate closed; holders are leaving, and Graph is told nothing (reserved: no event leads here)
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
  ended: { idle: 'ended', unconfirmed: 'ended' },
  /** Writes that were refused since the last such record, by reason. */
  writesRefused: same(...stateNames),
  metadataUpdated: same(...stateNames),
  operationPatched: same(...stateNames),
  mediaRequested: same('recording'),
  /** Graph told of the call, or of another state of it. */
  notified: living,
  /** Who of the participants shows a recording has changed. */
  rosterNotified: living,
  /** The roster says something against the gate, which does not move for it. */
  contradicted: living,
  /** The notifications of this call will not come through the proxy. */
  callbackBypassed: living,
} as const satisfies Record<string, Targets>;

export type EventName = keyof typeof transitions;

export const nextState = (state: StateName, event: EventName): StateName | undefined =>
  (transitions[event] as Targets)[state];

/** The tenant and application (lower-case GUIDs) that a call belongs to. */
export interface Binding {
  readonly tenant: string;
  readonly app: string;
}

/** The one status request of a call that may be on its way to Graph. */
export interface Exchange {
  readonly kind: 'start' | 'stop';
  /** Names the handler that holds it. */
  readonly token: string;
  /** Store clock, ms: from then on its handler sends nothing any more. */
  readonly until: number;
  /** The operation that Graph named, while its end is awaited. */
  readonly operation?: string;
}

/** What Graph's notifications have told of a call. */
export interface Told {
  /** Each state once, in the order in which they were first told. */
  readonly states: readonly GraphCallState[];
  /** Object id of the application instance that was invited. */
  readonly applicationInstance: string | null;
  readonly roster: Roster;
}

export const nothingTold: Told = { states: [], applicationInstance: null, roster: emptyRoster };

/** What the store keeps of a call. Times are the store's clock, ms since the epoch. */
export interface CallState {
  readonly state: StateName;
  /** Grows with every start, never goes back: `max(last + 1, store clock)`. 0 before the first start. */
  readonly epoch: number;
  readonly binding: Binding | null;
  readonly exchange: Exchange | null;
  /** Until then a stop of unknown outcome may still reach Graph, so no start may be sent (rule R3). */
  readonly wireUntil: number;
  /** When the open interval began; null while closed. */
  readonly openedAt: number | null;
  /** When Graph had last answered the stop that ended an interval of this epoch; null: none has ended. */
  readonly closedAt: number | null;
  /** null: nothing was told yet. */
  readonly told: Told | null;
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
  wireUntil: 0,
  openedAt: null,
  closedAt: null,
  told: null,
  at: 0,
  seq: 0,
  head: null,
};

const day = 24 * 60 * 60 * 1000;

/** The states in which the store keeps a call until it leaves them. */
export const keptStates: readonly StateName[] = stateNames.filter(
  (state) => state !== 'ended' && state !== 'idle',
);

/** How long a call is remembered after its last change; `undefined`: until it ends, since a holder may exist. */
export const retentionMs = (state: StateName): number | undefined =>
  keptStates.includes(state) ? undefined : 2 * day;
