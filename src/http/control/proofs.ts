import { LRUCache } from 'lru-cache';
import type { CallKey } from '../../core/call/key.ts';
import type { Caller } from '../authenticate.ts';

const remembered = 10_000;
/** For how long Graph's acceptance of a token counts at most, ms; tokens can be revoked before they expire. */
const provenForMs = 5 * 60_000;
/** The same where the token does not say when it ends, ms. */
const uncertainForMs = 30_000;

type Bearer = Pick<Caller, 'tokenHash' | 'expiresAt'>;

/** One token, for all its proofs: what Graph says against it ends them all. */
interface Token {
  isRefused: boolean;
}

interface Proof {
  readonly token: Token;
  /** Monotonic, ms. */
  readonly until: number;
  /** Wall clock, ms since the epoch. */
  readonly expiresAt: number;
}

/**
 * Which Graph token Graph itself has accepted for which call; by hash, bounded. A proof ends with the token, with a 401
 * for that token, and after some minutes.
 */
export class Proofs {
  readonly #now: () => number;
  readonly #wall: () => number;
  readonly #accepted = new LRUCache<string, Proof>({ max: remembered });
  /** Used at least as often as the proofs of each, so that none is forgotten before them. */
  readonly #tokens = new LRUCache<string, Token>({ max: remembered });

  constructor(now: () => number, wall: () => number = Date.now) {
    this.#now = now;
    this.#wall = wall;
  }

  has(call: CallKey, { tokenHash }: Bearer): boolean {
    this.#tokens.get(tokenHash);
    const proof = this.#accepted.get(call + tokenHash);
    if (proof === undefined || proof.token.isRefused) return false;
    return this.#now() < proof.until && this.#wall() < proof.expiresAt;
  }

  add(call: CallKey, { tokenHash, expiresAt }: Bearer): void {
    let token = this.#tokens.get(tokenHash);
    if (token === undefined) this.#tokens.set(tokenHash, (token = { isRefused: false }));
    const until = this.#now() + (expiresAt === undefined ? uncertainForMs : provenForMs);
    this.#accepted.set(call + tokenHash, { token, until, expiresAt: expiresAt ?? Infinity });
  }

  /** Graph takes the token no longer, for whatever call. */
  refused({ tokenHash }: Bearer): void {
    const token = this.#tokens.get(tokenHash);
    if (token === undefined) return;
    token.isRefused = true;
    this.#tokens.delete(tokenHash);
  }
}
