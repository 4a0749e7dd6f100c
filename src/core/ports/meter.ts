import type { CallEnd } from '../call/ends.ts';
import type { ObservedReason } from '../call/observation.ts';
import type { Contradiction } from '../call/roster.ts';
import type { Tally } from '../call/tally.ts';
import type { StartProblem } from '../http/request-start.ts';
import type { FrameDirection, StreamEnd } from '../http/stream-end.ts';
import type { Notice } from '../notices/notice.ts';
import type { NoticeOutcome } from '../notices/outcomes.ts';
import type { ReasonCode } from '../reasons.ts';
import type { Census } from './call-store.ts';
import type { StoreMemory } from './store.ts';

/** Where requests in progress are limited; those with reserved capacity are counted apart. */
export const planes = ['control', 'controlReserved', 'media', 'callbacks'] as const;
export type Plane = (typeof planes)[number];

export const certificateUses = ['server', 'graphCredential'] as const;
export type CertificateUse = (typeof certificateUses)[number];

/** What is read at the start, and read again while the process runs. */
export const reloadables = ['policies', 'certificate', 'graphCredential', 'revokedTokens'] as const;
export type Reloadable = (typeof reloadables)[number];

/** The metrics that the gate and the stages report; implemented in `metrics`. */
export interface Meter {
  /** `take` is called each time before the metrics are read, to report what only changes between. */
  sampled(take: () => void): void;
  decision(
    surface: 'control' | 'media' | 'notification',
    reason: ReasonCode | 'admitted' | 'passed' | 'observed',
  ): void;
  /** Until when this instance only observes some tenants, ms since the epoch; undefined: it enforces the laws for everybody. */
  observing(until: number | undefined): void;
  /** A write passed that would have been refused, since the store only observes. */
  observedWrite(reason: ObservedReason): void;
  /** A media write is refused since it is not known to have begun in the open interval. */
  requestStartRefused(problem: StartProblem): void;
  transition(event: string, from: string, to: string, seconds: number): void;
  /** A recording was closed that had been open for so long. */
  recorded(seconds: number): void;
  oldestUnconfirmedStop(seconds: number): void;
  drain(seconds: number, how: Tally['left']): void;
  writesAborted(count: number): void;
  writesUnanswered(count: number): void;
  /** Writes that handlers were asked to discard: agreed to, and not in time. */
  writesDiscarded(agreed: number, open: number): void;
  bytesAdmitted(bytes: number): void;
  /** The same bytes while their writes go on: those since the last report. */
  liveBytesAdmitted(bytes: number): void;
  requests(plane: Plane, count: { readonly inFlight: number; readonly limit: number }): void;
  storeCommand(command: string, seconds: number, ok: boolean): void;
  /** How far the store's clock is ahead of this machine's, and whether it was set just now. */
  storeClock(skewSeconds: number, step: 'forward' | 'back' | undefined): void;
  /** undefined: the store does not tell. */
  storeMemory(memory: StoreMemory | undefined): void;
  graphAnswer(action: string, status: number, seconds: number): void;
  /** Graph has answered 401 to a token of the proxy's own: repeated with another one, or passed on. */
  graphTokenRefused(outcome: 'repeated' | 'passed'): void;
  /** A token was asked for with a credential of the proxy's own. */
  graphCredentialRequest(client: string, ok: boolean): void;
  /** The credentials that are in use from now on, by the names of their clients; what others did counts no more. */
  graphCredentials(clients: readonly string[]): void;
  keySetFetch(keys: string, ok: boolean): void;
  /** A token was asked for with which connections to Redis log in. `expiresAt`: of the token, ms since the epoch. */
  redisToken(token: { readonly expiresAt: number } | 'failed'): void;
  /** `expiresAt`: ms since the epoch; undefined: there is none any more. */
  certificate(use: CertificateUse, expiresAt: number | undefined): void;
  upstreamAnswer(status: number, seconds: number): void;
  webSocket(event: 'opened' | StreamEnd): void;
  webSocketFrames(direction: FrameDirection, count: number): void;
  session(live: boolean): void;
  /** It is in force as of now. */
  loaded(what: Reloadable): void;
  policyReload(ok: boolean): void;
  certificateReload(ok: boolean): void;
  graphCredentialReload(ok: boolean): void;
  revocationListReload(ok: boolean): void;
  /** What waits, undefined: that is not known here; and what was written since the last report. */
  evidence(facts: {
    readonly waiting?: number;
    readonly oldestSeconds?: number;
    readonly written: number;
  }): void;
  /** What waits in the store, as this instance sees it, and whether it is more than may wait. */
  evidenceBacklog(facts: { readonly bytes?: number; readonly exceeded: boolean }): void;
  /** What is left in the evidence directory's file system; undefined: it does not answer. */
  evidenceFree(bytes: number | undefined): void;
  openGrants(count: number): void;
  calls(census: Census): void;
  callEnded(end: CallEnd): void;
  contradiction(kind: Contradiction): void;
  notice(kind: Notice['kind'] | 'ignored', outcome: NoticeOutcome, count: number): void;
  /** A notification that was forwarded: the bot's status, and what the proxy added to the bot's own time. */
  notification(status: number, addedSeconds: number): void;
  callbackUri(outcome: 'proxied' | 'rewritten' | 'bypasses' | 'absent' | 'unreadable'): void;
}
