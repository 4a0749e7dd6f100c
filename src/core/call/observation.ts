import type { ReasonCode } from '../reasons.ts';
import { canonicalJson, sha256 } from './evidence.ts';

/**
 * For whom, and until when, a store does not enforce the two laws: a write that they refuse passes and is counted. It is
 * a setting of the operator; no policy and no caller can bring it about.
 */
export interface Observation {
  /** From then on everything is enforced, ms since the epoch. */
  readonly until: number;
  /** Lower-case GUIDs. */
  readonly tenants: readonly string[];
}

/** How far ahead its end may be at a start. */
export const maxObservationMs = 30 * 24 * 60 * 60 * 1000;

/**
 * The refusals of a write that the two laws alone are the reason of: recording is not confirmed, or nobody can say
 * whether it is.
 */
export const observedReasons = ['RecordingNotActive', 'StoreUnavailable'] as const satisfies ReasonCode[];
export type ObservedReason = (typeof observedReasons)[number];

export const isObservedReason = (reason: ReasonCode): reason is ObservedReason =>
  (observedReasons as readonly ReasonCode[]).includes(reason);

/** Whether the laws are not enforced for a tenant. `now`: the later of the wall clock and the store's, ms since the epoch. */
export const isObserved = ({ until, tenants }: Observation, tenant: string, now: number): boolean =>
  now < until && tenants.includes(tenant);

/**
 * What the instances of a store must have in common: the end, and a digest of the tenants in any order; or that there is
 * none.
 */
export const observationId = (observation: Observation | undefined): string =>
  observation === undefined
    ? nothingObserved
    : `${observation.until}.${sha256(canonicalJson([...new Set(observation.tenants)].sort())).slice(0, 32)}`;

export const nothingObserved = '-';

/** Whether two sessions may be in one store: an observation that is over, by the store's clock, is none. */
export const observeAlike = (one: string, other: string, now: number): boolean =>
  one === other || (!isInForce(one, now) && !isInForce(other, now));

const isInForce = (id: string, now: number): boolean => Number.parseInt(id, 10) > now;

/** Why an instance must not join a session that observes otherwise; both as `observationId` names them. */
export function otherObservation(mine: string, member: string, theirs: string): string {
  const [own, other] = [endIn(mine), endIn(theirs)];
  const difference =
    own === other
      ? `TALLYLIGHT_OBSERVE_TENANTS differs: this instance observes other tenants than session ${member}`
      : `TALLYLIGHT_OBSERVE_UNTIL differs: this instance ${inWords(own)}, but session ${member} ${inWords(other)}`;
  return `${difference}. All instances of a store must have the same values of both settings, and the middleware always enforces: end the instances that differ, or set the same on this one`;
}

const endIn = (id: string): string | undefined => {
  const until = /^(\d{1,15})\./.exec(id)?.[1];
  return until === undefined ? undefined : new Date(Number(until)).toISOString();
};

const inWords = (end: string | undefined): string =>
  end === undefined ? 'enforces the laws' : `observes until ${end}`;

/** How an observation is written in records, logs and answers. */
export const endOfObservation = ({ until }: Observation): string => new Date(until).toISOString();
