import type { CallEnd } from '../call/ends.ts';
import type { Contradiction } from '../call/roster.ts';
import type { Tally } from '../call/tally.ts';
import type { StartProblem } from '../http/request-start.ts';
import type { FrameDirection, StreamEnd } from '../http/stream-end.ts';
import type { Notice } from '../notices/notice.ts';
import type { NoticeOutcome } from '../notices/outcomes.ts';
import type { ReasonCode } from '../reasons.ts';
import type { Census } from './call-store.ts';

/** The metrics that the gate and the stages report; implemented in `metrics`. */
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
