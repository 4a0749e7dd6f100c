import type { CallStore, Clock, Log, Meter, PolicyFor, SessionStore } from '../core/ports.ts';

export interface GateTimes {
  /** How long a session lives in the store without a heartbeat, ms. */
  readonly ttlMs: number;
  /** How long accepted writes may go on after a stop where no policy says otherwise, ms. */
  readonly drainMs: number;
  /** The limit of one request to Graph, ms. */
  readonly graphTimeoutMs: number;
}

/** What the use cases need; a root supplies it. */
export interface GateDeps {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Meter;
  readonly policyFor: PolicyFor;
  readonly newId: () => string;
  readonly times: GateTimes;
}

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });
