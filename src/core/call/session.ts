import type { Observation } from './observation.ts';

/** An instance's membership in the store; never resumed once lost. */
export type SessionId = string;

export interface Holder {
  readonly session: SessionId;
  readonly epoch: number;
}

/** The times of a session for which other instances have to wait. */
export interface HolderTimes {
  /** How long it may admit media without hearing from the store, ms. */
  readonly ttlMs: number;
  /** The limit of one request of it to Graph, ms. */
  readonly graphTimeoutMs: number;
}

/** A holder with the time to wait for it, derived from its own times. */
export interface TimedHolder extends Holder, HolderTimes {}

/** The times of an instance, and the largest values that its operator allows for any instance. */
export interface SessionTimes extends HolderTimes {
  readonly ttlMaxMs: number;
  readonly graphTimeoutMaxMs: number;
}

/** What a session joins a store with. */
export interface SessionTerms extends SessionTimes {
  /** All sessions of a store have the same one; absent: none. */
  readonly observation?: Observation | undefined;
}

/**
 * Rule R2: for how long status changes must wait, ms, after a part of the store began without its data. Two things may be
 * forgotten: a holder, whose deadline passes within one TTL, and a stop, whose handler may be held up for one Graph
 * timeout, wait for another, and give up one before the request is off the wire. Whose they were is forgotten with them,
 * so the largest times count that the operator allows.
 */
export const freshMs = ({ ttlMaxMs, graphTimeoutMaxMs }: SessionTimes): number =>
  Math.max(ttlMaxMs, 3 * graphTimeoutMaxMs);
