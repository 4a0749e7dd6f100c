import type { HoldLine } from '../core/call/evidence-lines.ts';
import type { HoldScope, Operator, StandingHold } from '../core/call/hold.ts';
import type { CallKey } from '../core/call/key.ts';
import type { Decision } from '../core/decision.ts';
import type { GraphAnswer } from '../core/graph/outcome.ts';
import type { Stopped } from './stop.ts';

/** An act by hand: who does it, and why. Both go into the evidence. */
export interface Act {
  readonly by: Operator;
  /** 1 to 500 characters. */
  readonly reason: string;
}

/** A call that an operator has closed. */
export interface ClosedByHand extends Stopped<GraphAnswer> {
  /** Whether `notRecording` was sent to Graph; `nobody`: there is no credential for it, so the stop is unconfirmed (R3). */
  readonly told: 'graph' | 'nobody';
}

/** A hold that was set or released. */
export interface HoldChange {
  readonly hold: StandingHold;
  /**
   * Whether every session that lived acts on it, or was waited out, and the line in the journal is durable. Otherwise it is
   * stored all the same, and takes effect within one TTL.
   */
  readonly acknowledged: boolean;
}

/** What an operator can do. Refusals say what is true now; nothing here opens a gate. */
export interface ByHand {
  /**
   * A stop like any other (rule R6): closes here before it returns, then everywhere, and tells Graph where there is a
   * credential. What could not be completed is repeated in the background (`StoreUnavailable`, `StatusInProgress`,
   * `DrainTimeout`, `StoreFresh`). `CallNotFound`: the store knows no such call; `CallEnded`.
   */
  closeByHand(call: CallKey, act: Act): Promise<Decision<ClosedByHand>>;
  /**
   * Lets no gate of the scope open until it is released, closes those that are open, and stops their recordings. In force
   * here before it returns, also without the store (`StoreUnavailable`, `HoldsUnknown`: it is repeated in the background).
   * Takes little more than one TTL.
   */
  hold(request: Act & { readonly scope: HoldScope }): Promise<Decision<HoldChange>>;
  /** Opens nothing: recordings from before stay closed until a later `recording` is confirmed. `HoldNotFound`: it does not stand. */
  release(id: string, act: Act): Promise<Decision<HoldChange>>;
  /** What this instance acts on, in the order in which they were set. */
  holds(): readonly StandingHold[];
  /** Those of them that are in the store, as lines of the journal. */
  standingLines(): readonly HoldLine[];
  /** Why no gate may open: the holds of the store are not known; undefined: they are. */
  holdsObstacle(): string | undefined;
}

const longestReason = 500;

/** Whether a reason can go into the evidence. */
export const isReason = (reason: string): boolean => reason.trim() !== '' && reason.length <= longestReason;
