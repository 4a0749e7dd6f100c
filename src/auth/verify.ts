import { grant } from '../core/decision.ts';
import type { Identity, Verifier } from '../core/ports/identity.ts';
import { type IssuerConfig, readIssuer } from './issuers.ts';
import {
  createTokenVerifier,
  type TokenVerifier,
  type TrustedIssuer,
  type VerifierOptions,
} from './token-verifier.ts';

/** Verifies the tokens of callers from the configured issuers; throws `ConfigurationInvalid` (docs/design/callers.md). */
export function createVerifier(
  issuers: readonly IssuerConfig[],
  options: VerifierOptions,
): Verifier & Omit<TokenVerifier<Identity>, 'verify'> {
  const trusted = issuers.map(readIssuer).map((issuer): TrustedIssuer<Identity> => ({
    ...issuer,
    judge(claims) {
      const judged = issuer.judge(claims);
      if (!judged.ok) return judged;
      return grant({ ...judged.value, issuer: issuer.issuer, expiresAt: Number(claims.exp) * 1000 });
    },
  }));
  return createTokenVerifier(trusted, options);
}
