import type { CallKey } from '../call/key.ts';
import type { Binding } from '../call/state.ts';
import type { Decision } from '../decision.ts';

/** Who asks: from a verified token. */
export interface Identity extends Binding {
  readonly issuer: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Tells "verified as bad" from "cannot verify". */
export interface Verifier {
  verify(token: string): Promise<Decision<Identity>>;
}

/**
 * Asks Graph whether a call is still there, with a credential of our own for those it belongs to. `unknown`: no answer
 * that tells; `noCredential`: there is none to ask with.
 */
export type CallProbe = (
  call: CallKey,
  who: Binding,
) => Promise<'found' | 'gone' | 'unknown' | 'noCredential'>;

/** Verifies the token of a notification: granted are the tenant it is for (`tid`) and the bot's application (`aud`). */
export interface NotificationVerifier {
  verify(token: string): Promise<Decision<Binding>>;
}
