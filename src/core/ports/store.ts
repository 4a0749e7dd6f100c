import type { CallStore } from './call-store.ts';
import type { Outbox } from './outbox.ts';
import type { SessionStore } from './session-store.ts';

export interface Store {
  readonly calls: CallStore;
  readonly sessions: SessionStore;
  readonly outbox: Outbox;
  /** Whether it answers now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
