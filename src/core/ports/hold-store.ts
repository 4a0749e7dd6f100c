import type { HoldLine } from '../call/evidence-lines.ts';
import type { HoldRegistry } from '../call/hold.ts';
import type { SessionId } from '../call/session.ts';

/** The holds of a store as they were read at a moment. */
export interface HoldsView {
  readonly registry: HoldRegistry;
  /** False: the data may have been lost, and nobody has read the holds from the journal since. Then every gate is closed. */
  readonly isKnown: boolean;
  /** Names what the data of this part of the store have been without a loss. */
  readonly life: string;
  /** The store's own clock, ms since the epoch. */
  readonly clock: number;
}

export interface HoldCommit {
  /** The number that the change was computed from. */
  readonly expected: number;
  readonly life: string;
  readonly registry: HoldRegistry;
  /** Appended to the outbox in the same atomic step; null: the holds were read from the journal, and are known from now on. */
  readonly line: HoldLine | null;
  /** Names this attempt, so that running it twice changes nothing. */
  readonly operation: string;
}

/** Up to which revision, in which life, an instance acts on the holds. */
export interface Acknowledged {
  readonly life: string;
  readonly number: number;
}

/** The holds of all instances of a store. A fault is thrown as `StoreUnavailable`. */
export interface HoldStore {
  /** Also notes what the session acts on, if one is given. */
  read(session: SessionId | null, acknowledged: Acknowledged | null): Promise<HoldsView>;
  /**
   * Swaps the holds; undefined: number or life is another, or the holds are not known and `line` is not null. Else the
   * name of the entry in the outbox, empty where there is none. A full store takes a hold and may refuse anything else.
   */
  commit(commit: HoldCommit): Promise<string | undefined>;
  /** Members of the store that have not acknowledged this, with their TTL, ms. */
  behind(
    acknowledged: Acknowledged,
  ): Promise<readonly { readonly session: SessionId; readonly ttlMs: number }[]>;
  /** Whether the entry still waits in the outbox. */
  isWaiting(entry: string): Promise<boolean>;
  /** A protocol time that no epoch is above that any part of the store has given out. */
  newestTime(): Promise<number>;
  /** Calls back when holds may have changed. Only a hint. Returns the way to stop. */
  onChange(listener: () => void): Promise<() => void>;
}

/** Reads all holds and releases from the journal, oldest first, once everything that waits in the outbox is durable. */
export type ReadHolds = () => Promise<readonly HoldLine[]>;
