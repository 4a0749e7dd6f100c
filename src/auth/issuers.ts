import type { JWTPayload } from 'jose';
import { claimedBinding } from '../core/http/bearer.ts';
import type { Binding } from '../core/call/state.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { Fault } from '../core/errors.ts';
import { keysAt } from './key-source.ts';
import type { TrustedIssuer } from './token-verifier.ts';

/** An accepted issuer of tokens, and which of its tokens are accepted. */
export interface IssuerConfig {
  /** The `iss` claim, compared exactly. */
  readonly issuer: string;
  /** Accepted values of the `aud` claim; one of them must match. */
  readonly audience: string | readonly string[];
  /** URL of the signing keys (JWKS): https, or http on loopback. */
  readonly jwksUri: string;
  /** Accepted tenants (`tid`); absent: all of this issuer. */
  readonly tenants?: readonly string[];
  /** Accepted applications (`azp` or `appid`); absent: all. */
  readonly apps?: readonly string[];
  /**
   * Application roles (`roles`), one of which a token needs; an empty list: none is needed. Default
   * `Calls.AccessMedia.All` and `Calls.JoinGroupCall.All`.
   */
  readonly roles?: readonly string[];
  /** Accepted signature algorithms, asymmetric ones only. Default `RS256`, `PS256` and `ES256`. */
  readonly algorithms?: readonly string[];
}

/** The permissions of Graph without which an application cannot be in a call with media. */
const defaultRoles = ['Calls.AccessMedia.All', 'Calls.JoinGroupCall.All'];
const defaultAlgorithms = ['RS256', 'PS256', 'ES256'];
/** A symmetric algorithm would make a signing key of whatever is public. */
const asymmetric = /^(?:RS|PS|ES)(?:256|384|512)$/;

/** Throws `ConfigurationInvalid` for what would accept too much. */
export function checkIssuer(
  issuer: string,
  audience: readonly string[],
  algorithms: readonly string[],
): void {
  if (issuer === '') throw new Fault('ConfigurationInvalid', 'an entry has no issuer');
  if (audience.length === 0 || audience.includes(''))
    throw new Fault('ConfigurationInvalid', `issuer ${issuer} has no audience`);
  const unsupported = algorithms.find((name) => !asymmetric.test(name));
  if (unsupported !== undefined || algorithms.length === 0)
    throw new Fault(
      'ConfigurationInvalid',
      `issuer ${issuer}: algorithm ${unsupported ?? '(none)'} is not accepted`,
    );
}

/** Checks a configured issuer of callers' tokens; throws `ConfigurationInvalid`. */
export function readIssuer(config: IssuerConfig): TrustedIssuer<Binding> {
  const { issuer, tenants, apps, algorithms = defaultAlgorithms } = config;
  const audience = [config.audience].flat();
  checkIssuer(issuer, audience, algorithms);
  const mayCall = {
    tenant: listMatcher(tenants),
    app: listMatcher(apps),
    role: listMatcher(config.roles ?? defaultRoles),
  };
  const needsRole = config.roles?.length !== 0;

  return {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ['exp'],
    keys: keysAt(issuer, config.jwksUri),
    judge(claims) {
      if (Object.hasOwn(claims, 'scp'))
        return refuse('TokenInvalid', { detail: 'it is a user token (scp), not an application token' });
      const named = claimedBinding(claims);
      if (!named.ok) return named;
      const { tenant, app } = named.value;
      if (!mayCall.tenant(tenant)) return notAllowed('tenant (tid)');
      if (!mayCall.app(app)) return notAllowed('application (azp or appid)');
      if (needsRole && !rolesOf(claims).some(mayCall.role)) return notAllowed('role (roles)');
      return grant(named.value);
    },
  };
}

export const notAllowed = (what: string): Decision<never> =>
  refuse('TokenNotAllowed', { detail: `the ${what} is not allowed` });

/** Without a list everybody is a member; letter case does not matter. */
export function listMatcher(list: readonly string[] | undefined): (value: string) => boolean {
  const members = list && new Set(list.map((value) => value.toLowerCase()));
  return (value) => members?.has(value.toLowerCase()) ?? true;
}

const rolesOf = ({ roles }: JWTPayload): string[] =>
  Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
