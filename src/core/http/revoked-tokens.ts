import { sha256 } from '../call/evidence.ts';
import type { Binding } from '../call/state.ts';

/** What an operator can name of a verified token to revoke it. */
export interface TokenFacts extends Binding {
  /** SHA-256 of what is signed: header and payload. A signature can be written in several ways. */
  readonly hash: string;
  readonly issuer: string;
  readonly jti?: string | undefined;
  /** What Entra has in place of `jti`. */
  readonly uti?: string | undefined;
  readonly subject?: string | undefined;
  /** ms since the epoch. */
  readonly issuedAt?: number | undefined;
}

/** Tokens issued before a moment, ms since the epoch, to whoever matches all that is named. */
interface IssuedBefore {
  readonly issuedBefore: number;
  readonly issuer?: string | undefined;
  readonly tenant?: string | undefined;
  readonly app?: string | undefined;
  readonly subject?: string | undefined;
}

/** An entry of a revocation list. */
export type Revocation =
  { readonly hash: string } | { readonly jti: string } | { readonly uti: string } | IssuedBefore;

/** Facts of a token whose signature and claims were found good. */
export function tokenFacts(
  token: string,
  claims: Readonly<Record<string, unknown>>,
  { issuer, tenant, app }: Binding & { readonly issuer: string },
): TokenFacts {
  const { jti, uti, sub, iat } = claims;
  return {
    hash: sha256(token.slice(0, token.lastIndexOf('.'))),
    ...{ issuer, tenant, app },
    jti: textOf(jti),
    uti: textOf(uti),
    subject: textOf(sub),
    issuedAt: typeof iat === 'number' ? iat * 1000 : undefined,
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Whether a list revokes a token. One that does not say when it was issued may have been issued before any moment. */
export function revokedBy(list: readonly Revocation[]): (token: TokenFacts) => boolean {
  const hashes = new Set(list.flatMap((entry) => ('hash' in entry ? [entry.hash.toLowerCase()] : [])));
  const jtis = new Set(list.flatMap((entry) => ('jti' in entry ? [entry.jti] : [])));
  const utis = new Set(list.flatMap((entry) => ('uti' in entry ? [entry.uti] : [])));
  const rules = list.filter((entry) => 'issuedBefore' in entry);
  return (token) =>
    hashes.has(token.hash) ||
    (token.jti !== undefined && jtis.has(token.jti)) ||
    (token.uti !== undefined && utis.has(token.uti)) ||
    rules.some((rule) => matches(rule, token));
}

const matches = (rule: IssuedBefore, token: TokenFacts): boolean =>
  (token.issuedAt ?? -Infinity) < rule.issuedBefore &&
  (rule.issuer ?? token.issuer) === token.issuer &&
  (rule.tenant?.toLowerCase() ?? token.tenant) === token.tenant &&
  (rule.app?.toLowerCase() ?? token.app) === token.app &&
  (rule.subject === undefined || rule.subject === token.subject);
