import { LRUCache } from 'lru-cache';

const remembered = 10_000;
const rememberedMs = 10 * 60_000;

/**
 * Graph tokens that Graph has accepted in the last minutes for any request, by hash: their claims are true, so they
 * identify the caller. This says nothing about a call.
 */
export class AcceptedTokens {
  readonly #tokens = new LRUCache<string, true>({ max: remembered, ttl: rememberedMs });

  has(tokenHash: string): boolean {
    return this.#tokens.has(tokenHash);
  }

  /** Graph has answered a request that brought it. */
  answered(tokenHash: string, status: number): void {
    if (status >= 200 && status < 300) this.#tokens.set(tokenHash, true);
    else if (status === 401) this.#tokens.delete(tokenHash);
  }
}
