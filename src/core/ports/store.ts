import type { ActivityFeed } from './activity.ts';
import type { CallStore } from './call-store.ts';
import type { HoldStore } from './hold-store.ts';
import type { Outbox } from './outbox.ts';
import type { SessionStore } from './session-store.ts';

/** How full the server is that is closest to its limit. */
export interface StoreMemory {
  /** What counts against the limit. */
  readonly usedBytes: number;
  /** undefined: there is none. */
  readonly limitBytes: number | undefined;
}

/** The shared state of calls, sessions and unwritten evidence. Operations throw `StoreUnavailable` if it does not answer. */
export interface Store {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly outbox: Outbox;
  readonly activity: ActivityFeed;
  readonly holds: HoldStore;
  /** Its data begin and end with this process: nothing can have been forgotten that is not in the journal. */
  readonly inProcess?: true;
  /** Resolves if the store answers now. */
  ping(): Promise<void>;
  /** Memory of the server that is closest to its limit; undefined or absent: not reported. */
  memory?(): Promise<StoreMemory | undefined>;
  /** Closes the connections. */
  close(): Promise<void>;
}
