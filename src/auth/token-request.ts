import {
  allowInsecureRequests,
  type AuthorizationServer,
  type Client,
  type ClientAuth,
  clientCredentialsGrantRequest,
  ClientSecretPost,
  customFetch,
  processClientCredentialsResponse,
  ResponseBodyError,
} from 'oauth4webapi';
import { Fault, isFault } from '../core/errors.ts';
import { clientKey, type ClientKeyConfig } from './client-key.ts';
import { federatedToken } from './federated-token.ts';
import { type Fetch, fetchBounded, secureUrl } from './fetch.ts';

/** A client of a token endpoint. It proves itself by a secret, a key or a federated token: exactly one of them. */
export interface ClientConfig {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly scope: string;
  readonly clientSecret?: string;
  readonly privateKey?: ClientKeyConfig;
  /** File with a token of another issuer, which the token endpoint accepts as proof (workload identity federation). */
  readonly federatedTokenFile?: string;
}

export interface AccessToken {
  readonly value: string;
  /** 0: the answer did not say. */
  readonly lifetimeMs: number;
}

const timeoutMs = 5000;
const maxBytes = 256 * 1024;

/**
 * A request for an access token (OAuth 2.0 client credentials; RFC 6749, 4.4). Throws `ConfigurationInvalid` for a client
 * that could not prove itself; each request throws `IssuerUnreachable`, whose message quotes nothing that was sent.
 */
export function tokenRequest(config: ClientConfig, fetch: Fetch): () => Promise<AccessToken> {
  const { clientId, scope } = config;
  const endpoint = secureUrl(`the token endpoint of client ${clientId}`, config.tokenEndpoint);
  // Entra wants the token endpoint as the audience of an assertion, and nothing else here is named after the issuer.
  const server: AuthorizationServer = { issuer: endpoint.href, token_endpoint: endpoint.href };
  const client: Client = { client_id: clientId };
  const authentication = clientAuthentication(config);

  const request = async (): Promise<AccessToken> => {
    const response = await clientCredentialsGrantRequest(
      server,
      client,
      await authentication(),
      { scope },
      {
        [customFetch]: (url, { headers, body }) =>
          fetchBounded(fetch, url, { method: 'POST', headers, body: body.toString(), timeoutMs, maxBytes }),
        // `secureUrl` has made sure that http stays on this machine.
        [allowInsecureRequests]: true,
      },
    );
    // What comes with such a status is no answer of OAuth, and says nothing to an operator.
    if (response.status >= 500)
      throw new Fault('IssuerUnreachable', `the token endpoint answered ${response.status}`);
    const answer = await processClientCredentialsResponse(server, client, response);
    if (answer.token_type !== 'bearer' || !/^[\x21-\x7e]+$/.test(answer.access_token))
      throw new Fault('IssuerUnreachable', 'the token endpoint returned no bearer token');
    // Without a lifetime the token is good for the request it was fetched for.
    return { value: answer.access_token, lifetimeMs: (answer.expires_in ?? 0) * 1000 };
  };
  return () =>
    request().catch((error: unknown) => {
      throw isFault(error) ? error : new Fault('IssuerUnreachable', reportable(error), { cause: error });
    });
}

function clientAuthentication({
  clientId,
  clientSecret,
  privateKey,
  federatedTokenFile,
}: ClientConfig): () => Promise<ClientAuth> {
  const given = [clientSecret, privateKey, federatedTokenFile].filter((proof) => proof !== undefined);
  if (given.length === 1) {
    if (clientSecret !== undefined && clientSecret !== '') {
      const secret = ClientSecretPost(clientSecret);
      return () => Promise.resolve(secret);
    }
    if (privateKey !== undefined) return clientKey(privateKey);
    if (federatedTokenFile !== undefined) return federatedToken(federatedTokenFile);
  }
  throw new Fault(
    'ConfigurationInvalid',
    `client ${clientId} needs exactly one of a client secret, a private key and a federated token file`,
  );
}

/** Description of a failure that may be logged. A token endpoint may quote what it was sent, so only codes are taken from it. */
function reportable(error: unknown): string {
  if (!(error instanceof ResponseBodyError)) return 'the response of the token endpoint is not valid';
  const code = /^[a-z_]{1,40}$/.exec(error.error)?.[0];
  const entra = /\bAADSTS\d{1,10}\b/.exec(error.error_description ?? '')?.[0];
  const said = [code, entra].filter((part) => part !== undefined).join(' ');
  return `the token endpoint answered ${error.status}${said === '' ? '' : ` (${said})`}`;
}
