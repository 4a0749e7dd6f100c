import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/ports/clock.ts';

const remembered = 20_000;

/**
 * Measures by the local clock how long this instance has seen an item unchanged in the store. An item that another
 * instance left has expired once it stayed unchanged for its time. The measurement survives individual requests, so a
 * repeated request continues it; if it is evicted, it restarts, which only takes longer.
 */
export class UnchangedSince {
  readonly #clock: Clock;
  readonly #firstSeen = new LRUCache<string, number>({ max: remembered });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** ms from when the token was first seen until `at`, local clock; 0 where it is seen for the first time. */
  elapsedMs(token: string, at = this.#clock.now()): number {
    const first = this.#firstSeen.get(token);
    if (first !== undefined) return Math.max(0, at - first);
    this.#firstSeen.set(token, this.#clock.now());
    return 0;
  }

  readonly remainingMs = (token: string, forMs: number): number => forMs - this.elapsedMs(token);
}
