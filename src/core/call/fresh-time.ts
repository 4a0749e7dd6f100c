import type { SessionTimes } from '../ports.ts';

/**
 * Rule R2: for how long status changes must wait, ms, after a part of the store began without its data. Two things may be
 * forgotten: a holder, whose deadline passes within one TTL, and a stop, whose handler may be held up for one Graph
 * timeout, wait for another, and give up one before the request is off the wire. Whose they were is forgotten with them,
 * so the largest times count that the operator allows.
 */
export const freshMs = ({ ttlMaxMs, graphTimeoutMaxMs }: SessionTimes): number =>
  Math.max(ttlMaxMs, 3 * graphTimeoutMaxMs);
