import type { CallKey } from '../call/key.ts';
import type { ReasonCode } from '../reasons.ts';

/** What moved in one call on one instance since its last batch. */
export interface CallActivity {
  readonly call: CallKey;
  /** Writes admitted, bytes of admitted writes, and writes refused. */
  readonly writes: number;
  readonly bytes: number;
  readonly refused: number;
  /** Why the last of them was refused; null: none was. */
  readonly lastRefusal: ReasonCode | null;
  /** What the instance has admitted in the epoch that it holds a grant of; null: it holds none. */
  readonly total: { readonly epoch: number; readonly writes: number; readonly bytes: number } | null;
}

export interface ActivityBatch {
  /** Names the instance to whoever adds up totals; the same in all its batches. */
  readonly instance: string;
  readonly calls: readonly CallActivity[];
}

/** For how long after being asked an instance goes on to publish, ms. */
export const watchedForMs = 15_000;

/**
 * What moves now, for whoever looks. A hint on publish/subscribe: nothing is stored, and any message may get lost. A fault
 * is thrown as `StoreUnavailable`.
 */
export interface ActivityFeed {
  /** Asks every instance to publish for `watchedForMs`. */
  watch(): Promise<void>;
  /** Calls back whenever somebody asks. Returns the way to stop. */
  onWatch(receive: () => void): Promise<() => void>;
  publish(batch: ActivityBatch): Promise<void>;
  /** Calls back for every batch of every instance. Returns the way to stop. */
  onActivity(receive: (batch: ActivityBatch) => void): Promise<() => void>;
}
