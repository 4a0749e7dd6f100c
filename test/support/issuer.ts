import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  base64url,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  importSPKI,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
  type GenerateKeyPairResult,
  type JWTPayload,
} from 'jose';
import { callingService } from '../../src/auth/notification-issuers.ts';

export const tenant = '11111111-1111-4111-8111-111111111111';
export const app = '22222222-2222-4222-8222-222222222222';
export const audience = 'api://tallylight';
/** The bot's application, which notifications are for. */
export const bot = '33333333-3333-4333-8333-333333333333';

/** A claim that is undefined is left out. */
export type Claims = Readonly<Record<string, unknown>>;

export interface MintOptions {
  /** RS256 (default), PS256, ES256; HS256 signs with the public key as the secret; `none` does not sign. */
  readonly alg?: string;
  /** Default: the key in use; null: none in the header. */
  readonly kid?: string | null;
  readonly expiresIn?: number;
  readonly header?: Record<string, unknown>;
}

/** A client of the token endpoint, with a secret, a public key (SPKI PEM) or a judge of its own. */
export interface TestClient {
  readonly id: string;
  readonly secret?: string;
  readonly publicKey?: { readonly pem: string; readonly algorithm: string };
  /** Why a request is refused, as an error description; undefined: it is not. */
  readonly refusal?: (form: URLSearchParams) => Promise<string | undefined>;
  /** What the header of its assertions must hold. */
  readonly header?: Record<string, string>;
}

interface TokenEndpoint {
  readonly url: string;
  /** What came, in order. */
  readonly requests: URLSearchParams[];
  lifetimeSeconds: number | undefined;
  /** Answers this instead. */
  answer: { readonly status: number; readonly body: unknown } | undefined;
  /** Waits for this before it answers. */
  hold: Promise<void> | undefined;
}

export interface TestIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  /** OpenID metadata, which names `jwksUri`. */
  readonly metadataUri: string;
  /** How often the keys were fetched. */
  readonly fetches: number;
  /** The path at which the keys were last asked for. */
  readonly keysPath: string | undefined;
  /** How often the metadata was fetched. */
  readonly metadataFetches: number;
  readonly token: TokenEndpoint;
  /** Answers this instead of the keys. */
  keysAnswer: { readonly status: number; readonly body: string } | undefined;
  /** Answers this instead of the metadata. */
  metadataAnswer: { readonly status: number; readonly body: unknown } | undefined;
  /** A token with the claims of an application's token, and these. */
  mint(claims?: Claims, options?: MintOptions): Promise<string>;
  /** A token as notifications bring it: 300 s, without `iat`, with `cty`; with these claims. */
  mintNotification(claims?: Claims, options?: MintOptions): Promise<string>;
  /** Other keys from now on; the old ones are published no more. */
  rotate(): Promise<void>;
  stop(): Promise<void>;
  /** Again on the same port. */
  start(): Promise<void>;
}

interface Keys {
  readonly rsa: GenerateKeyPairResult;
  readonly ec: GenerateKeyPairResult;
  readonly suffix: string;
}

/** An OAuth 2.0 issuer on loopback. Keys are named `rsa-1` and `ec-1`, then `rsa-2` and so on. */
export async function startIssuer({
  now = () => Date.now(),
  clients = [] as readonly TestClient[],
  kidPrefix = '',
} = {}): Promise<TestIssuer> {
  let generation = 0;
  let keys: Promise<Keys> | undefined;
  let fetches = 0;
  let keysPath: string | undefined;
  let metadataFetches = 0;
  let port = 0;
  const usedAssertions = new Set<string>();

  const server = createServer((req, res) => {
    respond(req, res).catch(() => res.destroy());
  });
  await start();
  const issuer = `http://127.0.0.1:${port}`;
  const token: TokenEndpoint = {
    url: `${issuer}/token`,
    requests: [],
    lifetimeSeconds: 3600,
    answer: undefined,
    hold: undefined,
  };
  let keysAnswer: TestIssuer['keysAnswer'];
  let metadataAnswer: TestIssuer['metadataAnswer'];

  async function makeKeys(): Promise<Keys> {
    generation += 1;
    return {
      rsa: await generateKeyPair('RS256', { extractable: true }),
      ec: await generateKeyPair('ES256', { extractable: true }),
      suffix: `-${generation}`,
    };
  }

  /** Made when first needed: it takes long. */
  const keysInUse = (): Promise<Keys> => (keys ??= makeKeys());

  async function start(): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }

  async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await text(req);
    const { status, body: answer } = await answerTo(req.url, body);
    res.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    res.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  }

  async function answerTo(url: string | undefined, body: string): Promise<{ status: number; body: unknown }> {
    if (url === '/token') return exchange(new URLSearchParams(body));
    if (url !== '/metadata') {
      keysPath = url;
      return publish();
    }
    metadataFetches += 1;
    return metadataAnswer ?? { status: 200, body: { issuer, jwks_uri: `${issuer}/keys` } };
  }

  async function publish(): Promise<{ status: number; body: unknown }> {
    fetches += 1;
    if (keysAnswer !== undefined) return keysAnswer;
    const { rsa, ec, suffix } = await keysInUse();
    // As Entra does, without `alg`: one RSA key serves RS256 and PS256.
    const published = [
      { ...(await exportJWK(rsa.publicKey)), kid: `${kidPrefix}rsa${suffix}`, use: 'sig' },
      { ...(await exportJWK(ec.publicKey)), kid: `${kidPrefix}ec${suffix}`, use: 'sig' },
    ];
    return { status: 200, body: { keys: published } };
  }

  async function exchange(form: URLSearchParams): Promise<{ status: number; body: unknown }> {
    token.requests.push(form);
    const number = token.requests.length;
    await token.hold;
    if (token.answer !== undefined) return token.answer;
    const client = clients.find(({ id }) => id === form.get('client_id'));
    const refusal = await client?.refusal?.(form);
    if (refusal !== undefined)
      return { status: 401, body: { error: 'invalid_client', error_description: refusal } };
    if (client === undefined || !(await proves(client, form)))
      return { status: 401, body: { error: 'invalid_client' } };
    if (form.get('grant_type') !== 'client_credentials')
      return { status: 400, body: { error: 'unsupported_grant_type' } };
    const body = { token_type: 'Bearer', access_token: `graph-token-${number}` };
    return { status: 200, body: { ...body, expires_in: token.lifetimeSeconds } };
  }

  async function proves(client: TestClient, form: URLSearchParams): Promise<boolean> {
    if (client.refusal !== undefined) return true;
    if (client.publicKey === undefined) return form.get('client_secret') === client.secret;
    const { pem, algorithm } = client.publicKey;
    const { payload, protectedHeader } = await jwtVerify(
      form.get('client_assertion') ?? '',
      await importSPKI(pem, algorithm),
      {
        algorithms: [algorithm],
        issuer: client.id,
        subject: client.id,
        audience: token.url,
        requiredClaims: ['jti', 'exp'],
      },
    );
    const fresh = !usedAssertions.has(payload.jti!);
    usedAssertions.add(payload.jti!);
    const wanted = Object.entries(client.header ?? {});
    return (
      fresh &&
      form.get('client_assertion_type') === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' &&
      wanted.every(([name, value]) => protectedHeader[name] === value)
    );
  }

  async function mint(claims: Claims = {}, options: MintOptions = {}): Promise<string> {
    const { alg = 'RS256', expiresIn = 3600, header = {} } = options;
    const { rsa, ec, suffix } = await keysInUse();
    const at = Math.floor(now() / 1000);
    const payload: JWTPayload = {
      iss: issuer,
      aud: audience,
      tid: tenant,
      azp: app,
      roles: ['Calls.AccessMedia.All'],
      iat: at,
      nbf: at,
      exp: at + expiresIn,
      ...(claims as JWTPayload),
    };
    if (alg === 'none') return new UnsecuredJWT(payload).encode();
    const kid =
      options.kid === undefined ? `${kidPrefix}${alg === 'ES256' ? 'ec' : 'rsa'}${suffix}` : options.kid;
    const key =
      alg === 'HS256'
        ? new TextEncoder().encode(await exportSPKI(rsa.publicKey))
        : await signingKey(alg === 'ES256' ? ec : rsa, alg);
    const fields = { typ: 'JWT', ...header, alg, ...(kid === null ? {} : { kid }) };
    const crit = Array.isArray(header.crit) ? header.crit.map(String) : [];
    return new SignJWT(payload)
      .setProtectedHeader(fields)
      .sign(key, { crit: Object.fromEntries(crit.map((name) => [name, true])) });
  }

  return {
    issuer,
    jwksUri: `${issuer}/keys`,
    metadataUri: `${issuer}/metadata`,
    token,
    get fetches() {
      return fetches;
    },
    get keysPath() {
      return keysPath;
    },
    get metadataFetches() {
      return metadataFetches;
    },
    get metadataAnswer() {
      return metadataAnswer;
    },
    set metadataAnswer(answer) {
      metadataAnswer = answer;
    },
    get keysAnswer() {
      return keysAnswer;
    },
    set keysAnswer(answer) {
      keysAnswer = answer;
    },
    mint,
    mintNotification: (claims = {}, options = {}) =>
      mint(
        { aud: bot, appid: callingService, azp: undefined, roles: undefined, iat: undefined, ...claims },
        { expiresIn: 300, ...options, header: { cty: 'JWT', ...options.header } },
      ),
    async rotate() {
      await keysInUse();
      keys = makeKeys();
      await keys;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    start,
  };
}

/** A CryptoKey is for one algorithm; the key itself serves several. */
const signingKey = async ({ privateKey }: GenerateKeyPairResult, alg: string) =>
  importJWK({ ...(await exportJWK(privateKey)), alg }, alg);

/** The same token with other claims under the old signature. */
export function tampered(token: string, claims: Claims): string {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const before = JSON.parse(new TextDecoder().decode(base64url.decode(payload))) as Claims;
  return [header, base64url.encode(JSON.stringify({ ...before, ...claims })), signature].join('.');
}
