import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/ports/clock.ts';

const remembered = 20_000;

/**
 * For how long this instance has itself seen something unchanged in the store, by its own clock: what others left there is
 * over when it has stood for the time that they gave it. It outlives requests, so that who asks again goes on counting;
 * what is forgotten for want of room is counted anew, which only takes longer.
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
