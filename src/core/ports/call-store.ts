import type { EvidenceRecord } from '../call/evidence.ts';
import type { CallKey } from '../call/key.ts';
import type { TimedHolder, Holder, SessionId } from '../call/session.ts';
import type { Binding, CallState, StateName } from '../call/state.ts';
import type { Tally } from '../call/tally.ts';

export interface CallView {
  /** null: the store knows nothing of the call. */
  readonly state: CallState | null;
  /** Changes with every commit. */
  readonly version: number;
  readonly holders: readonly TimedHolder[];
  readonly tallies: readonly (Holder & Tally)[];
  /** Protocol time, ms: never goes back, whatever befalls the clocks of servers. Not for durations. */
  readonly now: number;
  /** The store's own clock, ms since the epoch: for the evidence alone, since it may be set. */
  readonly clock: number;
  /** Watched time, ms: grows by what running instances have measured with their own clocks, and by nothing else. */
  readonly watched: number;
  /** Names what the data of this part of the store have been without a loss. */
  readonly life: string;
  /** For how long this process knows that life to have lasted, ms; Infinity: for long enough (rule R2). */
  readonly livedMs: number;
  /** Whether the epoch of the call was begun in this life. */
  readonly isOfThisLife: boolean;
}

export interface Commit {
  readonly call: CallKey;
  /** The version the change was computed from; 0 for a call the store knows nothing of. */
  readonly version: number;
  /** The life that the change was computed in: what is known from another may not be so any more. */
  readonly life: string;
  readonly state: CallState;
  readonly record: EvidenceRecord;
  /** The record carries the tallies: forget them in the same step. */
  readonly dropTallies: boolean;
  /** Forget the call after so much watched time without a change, ms; undefined: keep it. */
  readonly retentionMs: number | undefined;
  /** Names this attempt, so that running it twice (a reply was lost) changes nothing. */
  readonly operation: string;
}

/** Calls by state, without those that `retentionMs` lets the store forget. */
export type Census = Readonly<Partial<Record<StateName, number>>>;

/** The per-call state machine, made durable. A fault is thrown as `StoreUnavailable`. */
export interface CallStore {
  read(call: CallKey): Promise<CallView>;
  /** Swaps the state and appends the record in one atomic step; false: the version was another. */
  commit(commit: Commit): Promise<boolean>;
  /** One atomic step: if the call is `recording`, add the session to the holders. */
  acquire(call: CallKey, session: SessionId): Promise<Acquired>;
  /** Leaves the holders and reports the totals. Safe to repeat. */
  leave(call: CallKey, holder: Holder, tally: Tally): Promise<void>;
  /** How many calls are in each state now; calls in states that are forgotten after a while are not counted. */
  census(): Promise<Census>;
  /** The age of the oldest stop that is stored and not confirmed, in watched time, ms; undefined: there is none. */
  oldestStop(): Promise<number | undefined>;
  /** These calls were active now. A commit implies it. Calls that idleness may not end stay unlisted. */
  touch(calls: readonly CallKey[]): Promise<void>;
  /** Calls that have been idle for `forMs` of watched time, at most `limit`, the longest idle first. */
  idle(forMs: number, limit: number): Promise<readonly CallKey[]>;
  /** Forgets calls whose retention is over, at most `limit`; how many. To be called now and then: watched time grows with it. */
  sweep(limit: number): Promise<number>;
}

export type Acquired =
  | {
      readonly state: 'recording';
      readonly epoch: number;
      readonly binding: Binding | null;
      /** For how long the epoch had been open at least, ms, when the reply came; what is not certain is left out. */
      readonly openForMs: number;
    }
  | { readonly state: Exclude<StateName, 'recording'> };
