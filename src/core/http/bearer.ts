import type { Binding } from '../call/state.ts';
import { grant, refuse, type Decision } from '../decision.ts';
import { isRecord, parseJsonText } from '../json.ts';

/** RFC 6750 with the scheme in any letter case (RFC 9110, 11.1): one scheme, one token68, nothing else. */
const credentials = /^bearer +([a-z0-9\-._~+/]+=*)$/i;

/**
 * Header fields that may carry a bot's token for the proxy. With the dedicated one, `Authorization` is left to the
 * handler.
 */
export const tokenHeaders = ['Authorization', 'Tallylight-Authorization'] as const;
export type TokenHeader = (typeof tokenHeaders)[number];

/** Returns the token in such a header field without verifying it. */
export function bearerToken(
  header: string | undefined,
  name: TokenHeader = 'Authorization',
): Decision<string> {
  if (header === undefined || header === '')
    return refuse('TokenMissing', name === 'Authorization' ? {} : { detail: `send it in ${name}` });
  const token = credentials.exec(header)?.[1];
  return token === undefined
    ? refuse('TokenInvalid', { detail: `the ${name} header field is not "Bearer" followed by one token` })
    : grant(token);
}

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The tenant and application that the claims of an Entra token name: `tid`, and `azp` (version 2.0) or `appid`
 * (version 1.0), which must not contradict each other. Whether the claims are true is for the caller to know.
 */
export function claimedBinding(claims: Readonly<Record<string, unknown>>): Decision<Binding> {
  const { azp, appid } = claims;
  const tenant = guidOf(claims.tid);
  if (tenant === undefined) return unnamed('the token names no tenant (tid)');
  const app = guidOf(azp ?? appid);
  if (app === undefined) return unnamed('the token names no application (azp or appid)');
  if (azp !== undefined && appid !== undefined && guidOf(appid) !== app)
    return unnamed('the token names two different applications (azp and appid)');
  return grant({ tenant, app });
}

const unnamed = (detail: string): Decision<never> => refuse('TokenInvalid', { detail });

function guidOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  return guid.test(text) ? text : undefined;
}

/**
 * Whom a Graph token speaks for, read without verification, which is not possible here: only a label,
 * to be used once Graph has accepted the token (docs/design/callers.md). `undefined`: it cannot be read.
 */
export function readGraphToken(token: string): Binding | undefined {
  const claims = claimsIn(token);
  const named = claims === undefined ? undefined : claimedBinding(claims);
  return named?.ok === true ? named.value : undefined;
}

/** Expiry (`exp`) of a token, ms since the epoch; `undefined`: it has none. Not verified either. */
export function graphTokenEnd(token: string): number | undefined {
  const exp = claimsIn(token)?.exp;
  return typeof exp === 'number' && exp > 0 ? exp * 1000 : undefined;
}

function claimsIn(token: string): Record<string, unknown> | undefined {
  const [, payload, signature, ...rest] = token.split('.');
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined;
  const claims = parseJsonText(Buffer.from(payload, 'base64url').toString());
  return isRecord(claims) ? claims : undefined;
}
