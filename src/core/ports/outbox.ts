import type { LostCounts, OutboxContent, RefusedWrites } from '../call/evidence-lines.ts';

/** An evidence entry that is not yet written; `id` identifies it for `remove`. */
export type OutboxEntry = OutboxContent & { readonly id: string };

/** An instance that has refused writes and has not left in order, according to its last report. */
export interface Reporter extends LostCounts {
  /** Grows with every report. */
  readonly beat: number;
}

/** Report of the writes that an instance refused. */
export interface Report {
  readonly from: Omit<Reporter, 'number'>;
  /** To be appended, in the order of their numbers. Reported again with a number that is known, a line is left out. */
  readonly lines: readonly RefusedWrites[];
  /** Reporters to be taken off the list, unless they have reported since. */
  readonly gone: readonly Reporter[];
  /** The instance leaves the list: no report of it follows. */
  readonly last: boolean;
}

export interface Reported {
  /** The store's raw clock, ms. */
  readonly now: number;
  readonly others: readonly Reporter[];
}

/** Size and age of the evidence in the outbox. */
export interface Backlog {
  /** The entry that waits longest, and how long that is by the store's clock; null: nothing waits. */
  readonly oldest: { readonly id: string; readonly ageMs: number } | null;
  /** About how much memory of the store it takes. */
  readonly bytes: number;
}

/** Evidence waiting for a durable sink. A fault is thrown as `StoreUnavailable`. */
export interface Outbox {
  /**
   * Takes or renews the one lease that allows draining; false: another holds it. It is taken from whoever has not renewed
   * it for the time that it was given, by the clock of the one who asks again and again.
   */
  lease(owner: string, forMs: number): Promise<boolean>;
  release(owner: string): Promise<void>;
  /** The oldest entries, in order per call. */
  pending(limit: number): Promise<readonly OutboxEntry[]>;
  remove(entries: readonly OutboxEntry[]): Promise<void>;
  /** How many entries wait. */
  depth(): Promise<number>;
  backlog(): Promise<Backlog>;
  /** Appends lines without a call, in one atomic step with what is known of their reporter. A full store refuses it. */
  report(report: Report): Promise<Reported>;
  /** The sink that this store's evidence goes to: the first to ask decides, or who knows the one before (`insteadOf`). */
  claimSink(sink: string, insteadOf?: string): Promise<string>;
}
