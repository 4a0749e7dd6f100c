import type { CallKey } from './call/key.ts';
import type { CallEnd } from './call/ends.ts';
import type { Binding, CallState, StateName } from './call/state.ts';
import type { Decision } from './decision.ts';
import type { EvidenceRecord } from './call/evidence.ts';
import type { LostCounts, OutboxContent, RefusedWrites } from './call/evidence-lines.ts';
import type { Notice } from './notices/notice.ts';
import type { JsonObject } from './json.ts';
import type { NoticeOutcome } from './notices/outcomes.ts';
import type { PolicyInForce } from './call/policy.ts';
import type { ReasonCode } from './reasons.ts';
import type { StartProblem } from './http/request-start.ts';
import type { Contradiction } from './notices/roster.ts';
import type { FrameDirection, StreamEnd } from './http/stream-end.ts';

/** An instance's membership in the store; never resumed once lost. */
export type SessionId = string;

/** What one session did for a call in one epoch. Totals, not increments: reporting twice changes nothing. */
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

export interface Holder {
  readonly session: SessionId;
  readonly epoch: number;
}

/** The times of a session that others have to wait for. */
export interface HolderTimes {
  /** How long it may admit media without hearing from the store, ms. */
  readonly ttlMs: number;
  /** The limit of one request of it to Graph, ms. */
  readonly graphTimeoutMs: number;
}

/** A holder, and how long to wait for it, by its own times. */
export interface HeldFor extends Holder, HolderTimes {}

/** The times of an instance, and the largest that its operator allows any instance. */
export interface SessionTimes extends HolderTimes {
  readonly ttlMaxMs: number;
  readonly graphTimeoutMaxMs: number;
}

export interface CallView {
  /** null: the store knows nothing of the call. */
  readonly state: CallState | null;
  /** Changes with every commit. */
  readonly version: number;
  readonly holders: readonly HeldFor[];
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
  /** Something was heard of these calls now. A commit says so by itself. A call that silence may not end stays unlisted. */
  heard(calls: readonly CallKey[]): Promise<void>;
  /** Calls of which nothing was heard for `forMs` of watched time, at most `limit`, the longest silent first. */
  silent(forMs: number, limit: number): Promise<readonly CallKey[]>;
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

export interface Revocation {
  readonly call: CallKey;
  readonly epoch: number;
}

/** A stop that one instance has heard, for all the others. */
export interface AnnouncedStop {
  readonly call: CallKey;
  /** Up to which epoch it closes; null: whatever an instance holds of the call. */
  readonly epoch: number | null;
  /** Names who announces it. */
  readonly from: string;
}

/** Why an instance must not take part in a store: a sentence for its operator. */
export interface JoinRefusal {
  readonly why: 'format' | 'times';
  readonly text: string;
}

/** Sessions and their inboxes. A fault is thrown as `StoreUnavailable`. */
export interface SessionStore {
  /** `joined`, or why this instance must not take part as it is. */
  join(session: SessionId, times: SessionTimes): Promise<'joined' | JoinRefusal>;
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
  /** Tells every instance of a stop, without a write. Only a hint, which may get lost. */
  announceStop(stop: AnnouncedStop): Promise<void>;
  /** Calls back for every stop that is announced. Returns the way to stop. */
  onStop(hear: (stop: AnnouncedStop) => void): Promise<() => void>;
}

/** Evidence that waits; `id` names the entry for `remove`. */
export type OutboxEntry = OutboxContent & { readonly id: string };

/** An instance that has refused writes and has not left, as its last report said. */
export interface Reporter extends LostCounts {
  /** Grows with every report. */
  readonly beat: number;
}

/** What an instance reports of the writes that it refused. */
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

/** What waits in the outbox. */
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

export interface Store {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly outbox: Outbox;
  /** Whether it answers now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Time and chance, as arguments. */
export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Runs later, once; returns the way to cancel. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void;
}

export interface Log {
  debug(facts: JsonObject, text: string): void;
  info(facts: JsonObject, text: string): void;
  warn(facts: JsonObject, text: string): void;
  error(facts: JsonObject, text: string): void;
}

/** Who asks: from a verified token. */
export interface Identity extends Binding {
  readonly issuer: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Tells "verified as bad" from "cannot verify". */
export interface Verifier {
  verify(token: string): Promise<Decision<Identity>>;
}

/**
 * Asks Graph whether a call is still there, with a credential of our own for those it belongs to. `unknown`: no answer
 * that tells; `noCredential`: there is none to ask with.
 */
export type CallProbe = (
  call: CallKey,
  who: Binding,
) => Promise<'found' | 'gone' | 'unknown' | 'noCredential'>;

/** Verifies the token of a notification: granted are the tenant it is for (`tid`) and the bot's application (`aud`). */
export interface NotificationVerifier {
  verify(token: string): Promise<Decision<Binding>>;
}

/** Finds the policy in force for a caller. */
export type PolicyFor = (who: Binding | null) => PolicyInForce;

/** The numbers the gate and the stages report; one implementation in `metrics`. */
export interface Meter {
  decision(surface: 'control' | 'media' | 'notification', reason: ReasonCode | 'admitted' | 'passed'): void;
  /** A media write is refused since it is not known to have begun in the open interval. */
  requestStartRefused(problem: StartProblem): void;
  transition(event: string, from: string, to: string, seconds: number): void;
  drain(seconds: number, how: Tally['left']): void;
  writesAborted(count: number): void;
  writesUnanswered(count: number): void;
  /** Writes that handlers were asked to discard: agreed to, and not in time. */
  writesDiscarded(agreed: number, open: number): void;
  bytesAdmitted(bytes: number): void;
  storeCommand(command: string, seconds: number, ok: boolean): void;
  /** How far the store's clock is ahead of this machine's, and whether it was set just now. */
  storeClock(skewSeconds: number, step: 'forward' | 'back' | undefined): void;
  graphAnswer(action: string, status: number, seconds: number): void;
  /** Graph has answered 401 to a token of the proxy's own: repeated with another one, or passed on. */
  graphTokenRefused(outcome: 'repeated' | 'passed'): void;
  upstreamAnswer(status: number, seconds: number): void;
  webSocket(event: 'opened' | StreamEnd): void;
  webSocketFrames(direction: FrameDirection, count: number): void;
  session(live: boolean): void;
  policyReload(ok: boolean): void;
  /** What waits, undefined: that is not known here; and what was written since the last report. */
  evidence(facts: {
    readonly waiting?: number;
    readonly oldestSeconds?: number;
    readonly written: number;
  }): void;
  /** What waits in the store, as this instance sees it, and whether it is more than may wait. */
  evidenceBacklog(facts: { readonly bytes?: number; readonly exceeded: boolean }): void;
  openGrants(count: number): void;
  calls(census: Census): void;
  callEnded(end: CallEnd): void;
  contradiction(kind: Contradiction): void;
  notice(kind: Notice['kind'] | 'ignored', outcome: NoticeOutcome, count: number): void;
  /** A notification that was forwarded: the bot's status, and what the proxy added to the bot's own time. */
  notification(status: number, addedSeconds: number): void;
  callbackUri(outcome: 'proxied' | 'rewritten' | 'bypasses' | 'absent' | 'unreadable'): void;
}
