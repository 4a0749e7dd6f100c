import type { CallKey } from '../call/key.ts';
import type { SessionId, SessionTerms } from '../call/session.ts';

export interface Revocation {
  readonly call: CallKey;
  readonly epoch: number;
}

/** A stop that one instance has received and announces to all others. */
export interface AnnouncedStop {
  readonly call: CallKey;
  /** Up to which epoch it closes; null: whatever an instance holds of the call. */
  readonly epoch: number | null;
  /** Names who announces it. */
  readonly from: string;
}

/** Why an instance must not join a store: a sentence for the operator. */
export interface JoinRefusal {
  readonly why: 'format' | 'times' | 'observe' | 'full';
  readonly text: string;
}

/** Sessions and their inboxes. A fault is thrown as `StoreUnavailable`. */
export interface SessionStore {
  /** `joined`, or why this instance must not take part as it is. */
  join(session: SessionId, terms: SessionTerms): Promise<'joined' | JoinRefusal>;
  /**
   * Extends the session by moving its counter, and returns the revocations waiting for it, minus those done; 'lost': it is
   * gone. No time ends a session in the store: whoever waits for it watches the counter with its own clock.
   */
  heartbeat(session: SessionId, done: readonly Revocation[]): Promise<readonly Revocation[] | 'lost'>;
  /** Puts a revocation into the session's inbox and wakes it; returns the session's counter, 'missing': there is no such session. */
  revoke(session: SessionId, revocation: Revocation): Promise<number | 'missing'>;
  quit(session: SessionId): Promise<void>;
  /**
   * Calls back when the session is woken: with the revocation where that is known, else a heartbeat is worth while.
   * Only a hint. Returns the way to stop.
   */
  onWake(session: SessionId, wake: (revocation?: Revocation) => void): Promise<() => void>;
  /** Announces a stop to every instance, without a write. Only a hint, which may get lost. */
  announceStop(stop: AnnouncedStop): Promise<void>;
  /** Calls back for every stop that is announced. Returns the way to stop. */
  onStop(receive: (stop: AnnouncedStop) => void): Promise<() => void>;
}
