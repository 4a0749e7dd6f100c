import type { SessionTimes } from '../../src/core/call/session.ts';

/** The times of a session that lives for so long without a heartbeat, in a store that allows any. */
export const lasting = (ttlMs: number): SessionTimes => ({
  ttlMs,
  graphTimeoutMs: 1000,
  ttlMaxMs: 3_600_000,
  graphTimeoutMaxMs: 3_600_000,
});
