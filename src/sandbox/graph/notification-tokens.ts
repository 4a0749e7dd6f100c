import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { reply, type Reply } from '../loopback.ts';

/** The issuer that Graph's notifications carry, whoever publishes the keys. */
const notificationIssuer = 'https://api.botframework.com';
/** Microsoft's calling service, as its notifications name themselves. */
const callingService = '26a18ebc-cdf7-4a6a-91cb-beb352805e81';
const lifetimeSeconds = 300;
const root = '/notifications';

/** What a receiver of notifications must be configured with. */
export interface NotificationIssuer {
  readonly issuer: string;
  readonly metadataUri: string;
  readonly jwksUri: string;
}

export interface NotificationTokens {
  readonly issuer: NotificationIssuer;
  /** A claim that is `undefined` is left out of the token. */
  readonly mint: (claims?: JWTPayload) => Promise<string>;
  /** The answer to `GET {path}`; undefined: not a path of these tokens. */
  answer(path: string): Reply | undefined;
}

/**
 * Tokens as real notifications carry them, signed with keys of their own: `cty` in the header though the payload is
 * plain claims, valid for 300 s, and no `iat`. `defaults` says for which bot (`aud`) in which tenant (`tid`) they are.
 */
export async function notificationTokens(
  origin: string,
  now: () => number,
  defaults: { readonly aud: string; readonly tid: string },
): Promise<NotificationTokens> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const kid = randomUUID();
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
  const jwksUri = `${origin}${root}/keys`;
  const answers: Readonly<Record<string, unknown>> = {
    [`${root}/.well-known/OpenIdConfiguration`]: {
      issuer: notificationIssuer,
      jwks_uri: jwksUri,
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
    },
    [`${root}/keys`]: { keys: [jwk] },
  };
  return {
    issuer: {
      issuer: notificationIssuer,
      metadataUri: `${origin}${root}/.well-known/OpenIdConfiguration`,
      jwksUri,
    },
    mint(claims = {}) {
      const nbf = Math.floor(now() / 1000);
      return new SignJWT({
        iss: notificationIssuer,
        ...defaults,
        appid: callingService,
        nbf,
        exp: nbf + lifetimeSeconds,
        ...claims,
      })
        .setProtectedHeader({ typ: 'JWT', cty: 'JWT', alg: 'RS256', kid })
        .sign(privateKey);
    },
    answer: (path) => (Object.hasOwn(answers, path) ? reply(200, answers[path]) : undefined),
  };
}
