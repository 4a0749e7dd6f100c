/**
 * Totals of what one session did for a call in one epoch. Because they are totals, reporting them twice changes
 * nothing.
 */
export interface Tally {
  readonly admitted: number;
  /** Writes that did not finish, and of which the handler has not had everything. */
  readonly aborted: number;
  /** Writes whose whole body may be with the handler, and whose answer nobody took. */
  readonly unanswered: number;
  readonly refused: number;
  readonly bytes: number;
  /**
   * How the session left: writes finished, were cut at the drain limit of a stop, or of the shutdown of the instance while
   * recording went on, were cut at the deadline; it was a holder without a grant it could use; or nobody knows.
   */
  readonly left: 'drained' | 'cut' | 'shutDown' | 'expired' | 'unused' | 'lost';
  /** From the revocation to the last write, ms; null where unknown. */
  readonly drainMs: number | null;
  /** Of the writes that handlers were asked to discard: how many they agreed to, and how many not in time. Absent: none. */
  readonly discarded?: number;
  readonly notDiscarded?: number;
  /** The first few of the latter, by the id that their handlers know them by. */
  readonly notDiscardedIds?: readonly string[];
}

/** Whether a report contains no counts of its session, so that it must not replace one that does. */
export const hasNoCounts = ({ left }: Tally): boolean => left === 'lost' || left === 'unused';
