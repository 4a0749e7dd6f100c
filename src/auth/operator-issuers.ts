import type { JWTPayload } from 'jose';
import { type Decision, grant, refuse } from '../core/decision.ts';
import { type OperatorIdentity, operatorRoles, type OperatorVerifier } from '../core/ports/operator.ts';
import { checkIssuer, listMatcher, notAllowed } from './issuers.ts';
import { keysAt } from './key-source.ts';
import {
  createTokenVerifier,
  invalid,
  type TokenVerifier,
  type TrustedIssuer,
  type VerifierOptions,
} from './token-verifier.ts';

/** Whose tokens open the console. */
export interface OperatorIssuerConfig {
  /** The `iss` claim, exactly. */
  readonly issuer: string;
  readonly audience: string | readonly string[];
  readonly jwksUri: string;
  /** Tenants (`tid`) whose people may sign in; absent: all of this issuer. */
  readonly tenants?: readonly string[];
  /** The claim with the tenants whose calls the operator may see and act on; absent: all. */
  readonly tenantsClaim?: string;
  /** The claim that names the operator in the evidence; absent: `sub`. */
  readonly subjectClaim?: string;
  /** Signature algorithms; asymmetric ones only. */
  readonly algorithms?: readonly string[];
}

const defaultAlgorithms = ['RS256', 'PS256', 'ES256'];
const longestSubject = 200;
const longestName = 128;
const maxTenants = 1000;
const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Verifies the tokens of operators; throws `ConfigurationInvalid`. */
export const createOperatorVerifier = (
  issuers: readonly OperatorIssuerConfig[],
  options: VerifierOptions,
): OperatorVerifier & Omit<TokenVerifier<OperatorIdentity>, 'verify'> =>
  createTokenVerifier(issuers.map(readOperatorIssuer), options);

/** Checks a configured issuer of operators' tokens; throws `ConfigurationInvalid`. */
export function readOperatorIssuer(config: OperatorIssuerConfig): TrustedIssuer<OperatorIdentity> {
  const { issuer, tenants, tenantsClaim, subjectClaim = 'sub', algorithms = defaultAlgorithms } = config;
  const audience = [config.audience].flat();
  checkIssuer(issuer, audience, algorithms);
  const mayEnter = listMatcher(tenants);
  return {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ['exp'],
    keys: keysAt(issuer, config.jwksUri),
    judge(claims) {
      const { tid, roles, exp } = claims;
      if (tenants !== undefined && !(typeof tid === 'string' && mayEnter(tid)))
        return notAllowed('tenant (tid)');
      const subject = printable(claims[subjectClaim], longestSubject);
      if (subject === undefined) return invalid(`the claim ${subjectClaim} does not name the operator`);
      const held = Array.isArray(roles) ? (roles as unknown[]) : [];
      const own = operatorRoles.filter((role) => held.includes(role));
      if (own.length === 0) return notAllowed('role (roles)');
      const limit = tenantsIn(claims, tenantsClaim);
      if (!limit.ok) return limit;
      const name = printable(claims.name ?? claims.preferred_username, longestName);
      return grant({
        ...{ issuer, subject, roles: own, tenants: limit.value },
        expiresAt: Number(exp) * 1000,
        ...(name === undefined ? {} : { name }),
      });
    },
  };
}

/** Where a claim is to limit the operator, a token without it is limited to nothing. */
function tenantsIn(claims: JWTPayload, claim: string | undefined): Decision<readonly string[] | null> {
  if (claim === undefined) return grant(null);
  const given = claims[claim];
  const list = (Array.isArray(given) ? given : [given]).map((id) =>
    typeof id === 'string' ? id.toLowerCase() : '',
  );
  return list.length <= maxTenants && list.every((id) => guid.test(id))
    ? grant(list)
    : refuse('TokenNotAllowed', { detail: `the claim ${claim} must list tenants by their ids` });
}

function printable(value: unknown, longest: number): string | undefined {
  return typeof value === 'string' &&
    value !== '' &&
    value.length <= longest &&
    !/[\p{C}\p{Zl}\p{Zp}]/u.test(value)
    ? value
    : undefined;
}
