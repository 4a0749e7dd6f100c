import type { CallKey } from '../core/call/key.ts';
import type { PolicyFor } from '../core/call/policy.ts';
import type { SessionTimes } from '../core/call/session.ts';
import type { CallStore } from '../core/ports/call-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { HoldStore, ReadHolds } from '../core/ports/hold-store.ts';
import type { CallProbe, StopSender } from '../core/ports/identity.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Outbox } from '../core/ports/outbox.ts';
import type { ReasonCode } from '../core/reasons.ts';
import type { SessionStore } from '../core/ports/session-store.ts';
import type { EvidenceBacklog } from './evidence-backlog.ts';
import type { Operations } from './operations.ts';
import type { UnchangedSince } from './unchanged-since.ts';
import type { UnconfirmedStops } from './unconfirmed-stops.ts';

export interface GateTimes {
  /** How long a session lives in the store without a heartbeat, ms. */
  readonly ttlMs: number;
  /** How long accepted writes may go on after a stop where no policy says otherwise, ms. */
  readonly drainMs: number;
  /** The limit of one request to Graph, ms. */
  readonly graphTimeoutMs: number;
  /** The largest TTL and Graph timeout that any instance of the store may have, ms; absent: those of this one. */
  readonly ttlMaxMs?: number;
  readonly graphTimeoutMaxMs?: number;
  /** How long a call may be idle before it is ended, ms; undefined: for ever. */
  readonly silenceMs?: number;
  /** How long the roster may lag behind a confirmed start or stop, ms; 30 s if absent. */
  readonly witnessGraceMs?: number;
  /** How long evidence may wait to be made durable before nothing new begins, ms; 4 hours if absent. */
  readonly evidenceWaitMs?: number;
}

/** Limits of what is kept in memory; absent: no limit is needed. */
export interface GateSizes {
  /** Calls for which this instance may admit media. */
  readonly maxGrants?: number;
  /** Notifications, and participants named in them, that may wait for the store. */
  readonly maxWaitingNotices?: number;
  /** Stops that wait for the store and are remembered one by one. */
  readonly maxStopMarks?: number;
  /** How much evidence may wait in the store to be made durable before nothing new begins. */
  readonly evidenceBytes?: number;
}

/** Parts supplied by the composition root. */
export interface GateParts {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly outbox: Pick<Outbox, 'report' | 'backlog'>;
  /** Hears of every write that is refused. */
  readonly onRefused?: (call: CallKey, reason: ReasonCode) => void;
  readonly holds: HoldStore;
  /** How to read the holds from the journal; absent: another instance has to. */
  readonly readHolds?: ReadHolds;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Meter;
  readonly policyFor: PolicyFor;
  readonly newId: () => string;
  readonly times: GateTimes;
  readonly sizes?: GateSizes;
  /** undefined: there is no credential of our own to ask Graph with. */
  readonly probe?: CallProbe;
  /** How to tell Graph of a stop that no bot asked for; absent: there is no credential for it. */
  readonly stopSender?: StopSender;
}

/** Dependencies of the use cases. */
export interface GateDeps extends GateParts {
  readonly watch: UnchangedSince;
  readonly unconfirmed: Pick<UnconfirmedStops, 'moved'>;
}

/** Additional dependencies shared by start and stop. */
export interface StatusDeps extends GateDeps {
  readonly operations: Operations;
  readonly backlog: EvidenceBacklog;
}

export const sessionTimes = ({
  ttlMs,
  graphTimeoutMs,
  ttlMaxMs = ttlMs,
  graphTimeoutMaxMs = graphTimeoutMs,
}: GateTimes): SessionTimes => ({ ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs });

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });
