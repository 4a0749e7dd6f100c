import type { CallKey } from '../call/key.ts';
import type { Binding } from '../call/state.ts';
import type { Decision } from '../decision.ts';
import type { Poll, Send } from '../graph/exchange.ts';
import type { TokenFacts } from '../http/revoked-tokens.ts';

/** Identity of a caller, from a verified token. */
export interface Identity extends Binding {
  readonly issuer: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** What it can be revoked by, where there is a revocation list. */
  readonly token?: TokenFacts;
}

/** Distinguishes an invalid token from one that cannot be verified. */
export interface Verifier {
  verify(token: string): Promise<Decision<Identity>>;
}

/**
 * Queries Graph whether a call still exists, with a credential of the proxy for the owner of the call. `unknown`: no
 * conclusive response; `noCredential`: there is no credential.
 */
export type CallProbe = (
  call: CallKey,
  who: Binding,
) => Promise<'found' | 'gone' | 'unknown' | 'noCredential'>;

/** Sends `notRecording` for a call with a credential of the proxy for its owner, and reads its operation. */
export type StopSender = (call: CallKey, who: Binding) => { readonly send: Send; readonly poll: Poll };

/** Verifies the token of a notification: granted are the tenant it is for (`tid`) and the bot's application (`aud`). */
export interface NotificationVerifier {
  verify(token: string): Promise<Decision<Binding>>;
}
