import { createLocalJWKSet, decodeJwt, type JSONWebKeySet } from 'jose';
import type { Binding } from '../core/call/state.ts';
import { messageOf } from '../core/errors.ts';
import type { Fetch } from './fetch.ts';
import { createGraphCredentials, type GraphCredentialConfig } from './graph-credential.ts';
import { type IssuerConfig, readIssuer } from './issuers.ts';
import { type OperatorIssuerConfig, readOperatorIssuer } from './operator-issuers.ts';
import { type NotificationIssuerConfig, readNotificationIssuer } from './notification-issuers.ts';
import type { TrustedIssuer } from './token-verifier.ts';

/** What a key server published; or why there is nothing to verify tokens with. */
export type KeysInspection =
  | { readonly ok: true; readonly source: string; readonly keys: number }
  | { readonly ok: false; readonly source: string; readonly why: string };

export const inspectIssuerKeys = (issuer: IssuerConfig, fetch: Fetch): Promise<KeysInspection> =>
  inspect(readIssuer(issuer), fetch);

export const inspectOperatorKeys = (issuer: OperatorIssuerConfig, fetch: Fetch): Promise<KeysInspection> =>
  inspect(readOperatorIssuer(issuer), fetch);

export const inspectNotificationKeys = (
  issuer: NotificationIssuerConfig,
  fetch: Fetch,
): Promise<KeysInspection> => inspect(readNotificationIssuer(issuer), fetch);

/** The key types that an algorithm can be verified with. */
const keyTypes: Readonly<Record<string, string>> = { RS: 'RSA', PS: 'RSA', ES: 'EC' };

async function inspect(
  { keys, algorithms }: Pick<TrustedIssuer<unknown>, 'keys' | 'algorithms'>,
  fetch: Fetch,
): Promise<KeysInspection> {
  const source = keys.name;
  let text: string;
  try {
    text = await keys.download(fetch);
  } catch (error) {
    return { ok: false, source, why: messageOf(error) };
  }
  try {
    const read = JSON.parse(text) as JSONWebKeySet;
    createLocalJWKSet(read);
    const types = new Set(algorithms.map((name) => keyTypes[name.slice(0, 2)]));
    const fitting = read.keys.filter(({ kty, use }) => types.has(kty) && (use ?? 'sig') === 'sig');
    return fitting.length > 0
      ? { ok: true, source, keys: fitting.length }
      : { ok: false, source, why: `it publishes no key for ${algorithms.join(', ')}` };
  } catch {
    return { ok: false, source, why: 'what it answers is not a key set (JWKS)' };
  }
}

/** What a token endpoint gave for a credential, without the token. */
export type CredentialInspection =
  /** Application roles in the token; undefined: it cannot be read, as is its right. */
  | { readonly ok: true; readonly roles: readonly string[] | undefined }
  | { readonly ok: false; readonly why: string };

/** Asks for a token once. Throws `ConfigurationInvalid`. */
export async function inspectCredential(
  config: GraphCredentialConfig,
  fetch: Fetch,
): Promise<CredentialInspection> {
  const token = await tokenOf(config, fetch);
  return token.ok ? { ok: true, roles: rolesIn(token.token) } : token;
}

/** The token itself, for whoever asks Graph with it. */
export async function tokenOf(
  { tenants: _tenants, apps: _apps, ...config }: GraphCredentialConfig,
  fetch: Fetch,
): Promise<{ readonly ok: true; readonly token: string } | { readonly ok: false; readonly why: string }> {
  const credentials = createGraphCredentials([config], { fetch });
  try {
    const anybody: Binding = { tenant: '', app: '' };
    const token = await credentials.tokenFor(anybody);
    return token.ok ? { ok: true, token: token.value } : { ok: false, why: token.detail ?? token.reason };
  } finally {
    credentials.close();
  }
}

function rolesIn(token: string): readonly string[] | undefined {
  try {
    const { roles } = decodeJwt(token);
    return Array.isArray(roles) ? roles.map(String) : [];
  } catch {
    return undefined;
  }
}
