import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call-key.ts';

const remembered = 10_000;

/** Which Graph token Graph itself has accepted for which call; by hash, bounded. */
export class Proofs {
  readonly #accepted = new LRUCache<string, true>({ max: remembered });

  has(call: CallKey, tokenHash: string): boolean {
    return this.#accepted.has(call + tokenHash);
  }

  add(call: CallKey, tokenHash: string): void {
    this.#accepted.set(call + tokenHash, true);
  }
}
