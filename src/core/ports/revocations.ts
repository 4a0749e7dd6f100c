import type { TokenFacts } from '../http/revoked-tokens.ts';

/** The revocation list in force, which may change at any time. */
export interface Revocations {
  isRevoked(token: TokenFacts): boolean;
  /** Returns the way to stop listening. */
  onChange(listener: () => void): () => void;
}
