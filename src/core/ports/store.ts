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

export interface Store {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly outbox: Outbox;
  readonly activity: ActivityFeed;
  readonly holds: HoldStore;
  /** Its data begin and end with this process: nothing can have been forgotten that is not in the journal. */
  readonly inProcess?: true;
  /** Whether it answers now. */
  ping(): Promise<void>;
  /** undefined, or absent: it does not tell. */
  memory?(): Promise<StoreMemory | undefined>;
  close(): Promise<void>;
}
