import { grant, refuse } from '../core/decision.ts';
import { tokenFacts } from '../core/http/revoked-tokens.ts';
import type { Identity, Verifier } from '../core/ports/identity.ts';
import type { Revocations } from '../core/ports/revocations.ts';
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
  { revocations, ...options }: VerifierOptions & { readonly revocations?: Revocations | undefined },
): Verifier & Omit<TokenVerifier<Identity>, 'verify'> {
  const trusted = issuers.map(readIssuer).map((issuer): TrustedIssuer<Identity> => ({
    ...issuer,
    judge(claims, token) {
      const judged = issuer.judge(claims, token);
      if (!judged.ok) return judged;
      const who = { ...judged.value, issuer: issuer.issuer, expiresAt: Number(claims.exp) * 1000 };
      if (revocations === undefined) return grant(who);
      const facts = tokenFacts(token, claims, who);
      return revocations.isRevoked(facts) ? refuse('TokenRevoked') : grant({ ...who, token: facts });
    },
  }));
  return createTokenVerifier(trusted, {
    ...options,
    ...(revocations === undefined ? {} : { onForget: (forget) => revocations.onChange(forget) }),
  });
}
