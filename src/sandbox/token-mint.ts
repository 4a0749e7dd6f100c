import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import {
  base64url,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  type JWTPayload,
} from 'jose';
import type { Binding } from '../core/call/state.ts';
import { listen, readBody, reply, send, type ListenOptions, type Reply } from './loopback.ts';
import { notificationTokens, type NotificationIssuer } from './graph/notification-tokens.ts';

export const sandboxTenant = '11111111-1111-4111-8111-111111111111';
/** The client id of the sandbox's recording bot. */
export const sandboxApp = '22222222-2222-4222-8222-222222222222';
/** Worth nothing outside the sandbox. */
export const sandboxSecret = 'sandbox-secret';
/** The audience of the proxy. */
const sandboxAudience = 'api://tallylight';
/** The audience of Graph tokens, of the real and of the fake Graph. */
const graphAudience = 'https://graph.microsoft.com';

const mediaRole = 'Calls.AccessMedia.All';
const graphRoles = [mediaRole, 'Calls.JoinGroupCall.All', 'CallRecords.Read.All'];
const defaultSeconds = 3600;
const maxFormBytes = 16 * 1024;

/** Who a Graph token speaks for, and what it may do. */
export interface GraphCaller extends Binding {
  readonly roles: readonly string[];
}

interface TokenClient {
  readonly app: string;
  readonly secret: string;
}

export interface TokenMintOptions extends ListenOptions {
  /** Wall clock, ms since the epoch. */
  readonly now?: (() => number) | undefined;
  /** The clients that may use `POST /token`; default: the sandbox's bot. */
  readonly clients?: readonly TokenClient[] | undefined;
}

/** A claim that is `undefined` is left out of the token. */
export type Claims = JWTPayload;

export interface TokenMint {
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  readonly graphAudience: string;
  readonly jwksUri: string;
  readonly tokenEndpoint: string;
  /** Who signs notifications, and where its keys are: another key set than that of the callers. */
  readonly notifications: NotificationIssuer;
  /** How many tokens `POST /token` has issued. */
  readonly issued: number;
  /** A token for the proxy's audience, in the shape of the identity platform's version 2.0. */
  mint(claims?: Claims): Promise<string>;
  /** A token for Graph. Like a real one it does not verify against the published keys: see `verifyGraphToken`. */
  mintGraphToken(claims?: Claims): Promise<string>;
  /** A token as Graph's notifications carry it, to the sandbox's bot in the sandbox's tenant; valid for 300 s. */
  readonly mintNotificationToken: (claims?: Claims) => Promise<string>;
  /** What only Graph can do. Throws if the token is not good. */
  readonly verifyGraphToken: (token: string) => Promise<GraphCaller>;
  /** From now on every request is answered with this status; undefined: as usual again. */
  failWith(status: number | undefined): void;
  close(): Promise<void>;
}

/**
 * An OAuth 2.0 issuer for the sandbox and the tests:
 *
 * | request | answer |
 * | --- | --- |
 * | `GET /.well-known/openid-configuration` | the metadata |
 * | `GET /keys` | the public key, made at start |
 * | `GET /notifications/.well-known/OpenIdConfiguration` | the metadata of the notifications' issuer |
 * | `GET /notifications/keys` | its public key, another one |
 * | `POST /token` (also `/{tenant}/oauth2/v2.0/token`) | client credentials; `scope` chooses Graph (default) or the proxy |
 * | `GET /token?tenant=&app=&role=&seconds=` | a token for the proxy, as plain text, for people with curl |
 */
export async function startTokenMint(options: TokenMintOptions = {}): Promise<TokenMint> {
  const now = options.now ?? (() => Date.now());
  const clients = options.clients ?? [{ app: sandboxApp, secret: sandboxSecret }];
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const kid = randomUUID();
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
  let issued = 0;
  let outage: number | undefined;

  const server = createServer((req, res) => {
    respond(req).then(
      (answer) => send(res, answer),
      () => res.destroy(),
    );
  });
  const { url, close } = await listen(server, options);
  const tokenEndpoint = `${url}/token`;
  const jwksUri = `${url}/keys`;
  const notifications = await notificationTokens(url, now, { aud: sandboxApp, tid: sandboxTenant });

  const sign = (claims: Claims, header: { nonce?: string } = {}): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ typ: 'JWT', ...header, alg: 'RS256', kid }).sign(privateKey);

  function lifetime(seconds = defaultSeconds): Claims {
    const at = Math.floor(now() / 1000);
    return { iat: at, nbf: at, exp: at + seconds };
  }

  const mint = (claims: Claims = {}): Promise<string> =>
    sign({
      iss: url,
      aud: sandboxAudience,
      tid: sandboxTenant,
      azp: sandboxApp,
      azpacr: '1',
      idtyp: 'app',
      roles: [mediaRole],
      sub: sandboxApp,
      ver: '2.0',
      ...lifetime(),
      ...claims,
    });

  async function mintGraphToken(claims: Claims = {}): Promise<string> {
    const tid = typeof claims.tid === 'string' ? claims.tid : sandboxTenant;
    const nonce = randomUUID();
    const signed = await sign(
      {
        aud: graphAudience,
        iss: `https://sts.windows.net/${tid}/`,
        tid,
        appid: sandboxApp,
        appidacr: '1',
        idtyp: 'app',
        roles: graphRoles,
        ver: '1.0',
        ...lifetime(),
        ...claims,
      },
      { nonce: transformed(nonce) },
    );
    return withHeader(signed, { ...decodeProtectedHeader(signed), nonce });
  }

  async function verifyGraphToken(token: string): Promise<GraphCaller> {
    const header = decodeProtectedHeader(token);
    const restored = withHeader(token, { ...header, nonce: transformed(String(header.nonce)) });
    const { payload } = await jwtVerify(restored, publicKey, {
      algorithms: ['RS256'],
      audience: graphAudience,
      currentDate: new Date(now()),
    });
    return callerOf(payload);
  }

  async function respond(req: IncomingMessage): Promise<Reply> {
    const { pathname, searchParams } = new URL(req.url ?? '/', url);
    const body = await readBody(req, maxFormBytes);
    if (outage !== undefined) return reply(outage, { error: 'temporarily_unavailable' });
    const route = `${req.method ?? ''} ${pathname}`;
    if (route === 'GET /.well-known/openid-configuration') return reply(200, metadata());
    if (route === 'GET /keys') return reply(200, { keys: [jwk] });
    const published = req.method === 'GET' ? notifications.answer(pathname) : undefined;
    if (published !== undefined) return published;
    if (route === 'GET /token') return reply(200, await forPeople(searchParams));
    const tenant = /^POST (?:\/([0-9a-f-]{36})\/oauth2\/v2\.0)?\/token$/i.exec(route);
    if (tenant === null) return reply(404, { error: 'not_found' });
    return exchange(req, new URLSearchParams(body?.toString() ?? ''), tenant[1] ?? sandboxTenant);
  }

  const metadata = (): unknown => ({
    issuer: url,
    token_endpoint: tokenEndpoint,
    jwks_uri: jwksUri,
    grant_types_supported: ['client_credentials'],
    response_types_supported: ['token'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
  });

  function forPeople(query: URLSearchParams): Promise<string> {
    const seconds = Number(query.get('seconds') ?? defaultSeconds);
    const app = query.get('app') ?? sandboxApp;
    return mint({
      tid: query.get('tenant') ?? sandboxTenant,
      azp: app,
      sub: app,
      ...(query.has('role') ? { roles: query.getAll('role') } : {}),
      ...lifetime(Number.isFinite(seconds) ? seconds : defaultSeconds),
    });
  }

  async function exchange(req: IncomingMessage, form: URLSearchParams, tid: string): Promise<Reply> {
    if (form.get('grant_type') !== 'client_credentials')
      return reply(400, { error: 'unsupported_grant_type' });
    const presented = basicCredentials(req.headers.authorization) ?? {
      app: form.get('client_id'),
      secret: form.get('client_secret'),
    };
    const client = clients.find(({ app, secret }) => app === presented.app && secret === presented.secret);
    if (client === undefined) return reply(401, { error: 'invalid_client' });
    const scope = form.get('scope') ?? `${graphAudience}/.default`;
    const make = { [graphAudience]: mintGraphToken, [sandboxAudience]: mint }[
      scope.replace(/\/\.default$/, '')
    ];
    if (make === undefined) return reply(400, { error: 'invalid_scope' });
    issued += 1;
    const who = make === mint ? { azp: client.app, sub: client.app } : { appid: client.app };
    const token = await make({ tid, ...who });
    return reply(200, { token_type: 'Bearer', expires_in: defaultSeconds, access_token: token });
  }

  return {
    url,
    issuer: url,
    audience: sandboxAudience,
    graphAudience,
    jwksUri,
    tokenEndpoint,
    notifications: notifications.issuer,
    get issued() {
      return issued;
    },
    mint,
    mintGraphToken,
    mintNotificationToken: notifications.mint,
    verifyGraphToken,
    failWith: (status) => {
      outage = status;
    },
    close,
  };
}

/** What a proxy must trust to take the notifications for the sandbox's bot. */
export const notificationIssuerOf = ({
  notifications: { issuer, metadataUri },
}: TokenMint): { issuer: string; metadataUri: string; audience: string } => ({
  issuer,
  metadataUri,
  audience: sandboxApp,
});

/** The signature of a Graph token covers this instead of the nonce in its header: nobody else can verify one. */
const transformed = (nonce: string): string => createHash('sha256').update(nonce).digest('base64url');

const withHeader = (token: string, header: object): string =>
  [base64url.encode(JSON.stringify(header)), ...token.split('.').slice(1)].join('.');

/** Reads the claims; whether they are true is for the caller to know. */
export const callerOf = (claims: Claims): GraphCaller => ({
  tenant: String(claims.tid).toLowerCase(),
  app: String(claims.appid ?? claims.azp).toLowerCase(),
  roles: Array.isArray(claims.roles) ? claims.roles.map(String) : [],
});

function basicCredentials(header: string | undefined): TokenClient | undefined {
  const encoded = /^Basic (.+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [app = '', secret = ''] = Buffer.from(encoded, 'base64').toString().split(':').map(formDecode);
  return { app, secret };
}

/** RFC 6749, 2.3.1: the two parts are form-encoded before they are joined. */
const formDecode = (text: string): string => new URLSearchParams(`v=${text}`).get('v') ?? '';
