import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call/key.ts';
import type { Clock } from '../core/ports/clock.ts';

const remembered = 10_000;
/** For how long what the store said of a closed call is repeated where it is not asked again, ms. */
const forMs = 2000;

/** Of which calls the store has just said that they are not recorded. */
export class ClosedCache {
  readonly #clock: Clock;
  readonly #seen = new LRUCache<CallKey, number>({ max: remembered });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(call: CallKey): void {
    this.#seen.set(call, this.#clock.now());
  }

  has(call: CallKey): boolean {
    return this.#clock.now() - (this.#seen.get(call) ?? -Infinity) < forMs;
  }
}
