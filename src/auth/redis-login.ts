import { Fault } from '../core/errors.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Fetch } from './fetch.ts';
import { type AccessToken, tokenRequest } from './token-request.ts';

/** An identity of Entra that is a user of Azure Managed Redis. */
export interface RedisEntraConfig {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** Of the identity, not of its app registration: it is the user name. */
  readonly objectId: string;
  readonly federatedTokenFile: string;
}

const redisScope = 'https://redis.azure.com/.default';

/** Obtains access tokens for Redis, which are the passwords of a user. Throws `ConfigurationInvalid`. */
export function redisEntraLogin(
  { objectId, ...client }: RedisEntraConfig,
  fetch: Fetch,
  meter?: Pick<Meter, 'redisToken'>,
): { readonly username: string; readonly password: () => Promise<AccessToken> } {
  const request = tokenRequest({ ...client, scope: redisScope }, fetch);
  const valid = async (): Promise<AccessToken> => {
    const token = await request();
    if (token.lifetimeMs <= 0)
      throw new Fault('IssuerUnreachable', 'the token endpoint did not say how long the token is valid');
    return token;
  };
  return {
    username: objectId,
    password: async () => {
      // The lifetime counts from before the request: the answer may have taken long.
      const asked = Date.now();
      try {
        const token = await valid();
        meter?.redisToken({ expiresAt: asked + token.lifetimeMs });
        return token;
      } catch (error) {
        meter?.redisToken('failed');
        throw error;
      }
    },
  };
}
