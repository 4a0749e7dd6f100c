import type { Binding } from '../core/call/state.ts';
import type { NotificationVerifier } from '../core/ports/identity.ts';
import { type NotificationIssuerConfig, readNotificationIssuer } from './notification-issuers.ts';
import { createTokenVerifier, type TokenVerifier, type VerifierOptions } from './token-verifier.ts';

/**
 * Verifies the tokens that Graph's notifications bring; throws `ConfigurationInvalid`. Granted: the tenant (`tid`)
 * and the bot's application (`aud`). A token is bound neither to the body nor to the call: what a notification says
 * must be checked against both.
 */
export const createNotificationVerifier = (
  issuers: readonly NotificationIssuerConfig[],
  options: VerifierOptions,
): NotificationVerifier & Omit<TokenVerifier<Binding>, 'verify'> =>
  createTokenVerifier(issuers.map(readNotificationIssuer), options);
