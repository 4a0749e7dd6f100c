import { afterEach, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import request from 'supertest';
import {
  sandboxApp,
  sandboxSecret,
  sandboxTenant,
  startTokenMint,
  type TokenMint,
  type TokenMintOptions,
} from '../../../src/sandbox/token-mint.ts';

const open: TokenMint[] = [];
async function start(options?: TokenMintOptions): Promise<TokenMint> {
  const mint = await startTokenMint(options);
  open.push(mint);
  return mint;
}
afterEach(() => Promise.all(open.splice(0).map((mint) => mint.close())));

const otherTenant = '33333333-3333-4333-8333-333333333333';
const credentials = {
  grant_type: 'client_credentials',
  client_id: sandboxApp,
  client_secret: sandboxSecret,
};

describe('tokens for the proxy', () => {
  test('verify against the keys that the metadata names', async () => {
    const mint = await start();
    const metadata = await request(mint.url).get('/.well-known/openid-configuration');
    const { issuer, jwks_uri, token_endpoint } = metadata.body as Record<string, string>;
    expect([issuer, token_endpoint]).toEqual([mint.issuer, mint.tokenEndpoint]);
    const { payload } = await jwtVerify(await mint.mint(), createRemoteJWKSet(new URL(jwks_uri!)), {
      algorithms: ['RS256'],
      issuer: mint.issuer,
      audience: mint.audience,
    });
    expect(payload).toMatchObject({
      tid: sandboxTenant,
      azp: sandboxApp,
      idtyp: 'app',
      roles: ['Calls.AccessMedia.All'],
    });
  });

  test('carry the claims asked for, and lose those that are undefined', async () => {
    const mint = await start({ now: () => 1_000_000 });
    const claims = decodeJwt(await mint.mint({ tid: otherTenant, roles: undefined, exp: 5 }));
    expect(claims).toMatchObject({ tid: otherTenant, iat: 1000, exp: 5 });
    expect(claims).not.toHaveProperty('roles');
  });

  test('are handed to people with curl as plain text', async () => {
    const mint = await start({ now: () => 1_000_000 });
    const answer = await request(mint.url).get(
      `/token?tenant=${otherTenant}&app=the-app&role=One&role=Two&seconds=60`,
    );
    expect(answer.type).toBe('text/plain');
    expect(decodeJwt(answer.text)).toMatchObject({
      aud: mint.audience,
      tid: otherTenant,
      azp: 'the-app',
      roles: ['One', 'Two'],
      idtyp: 'app',
      exp: 1060,
    });
  });
});

describe('client credentials', () => {
  test.each([
    ['in the body', (url: string) => request(url).post('/token').type('form').send(credentials)],
    [
      'by basic authentication',
      (url: string) =>
        request(url)
          .post('/token')
          .auth(encodeURIComponent(sandboxApp), sandboxSecret)
          .type('form')
          .send({ grant_type: 'client_credentials' }),
    ],
  ])('given %s get a token that the fake Graph takes', async (_, ask) => {
    const mint = await start();
    const answer = await ask(mint.url);
    const { access_token, token_type } = answer.body as Record<string, string>;
    expect(token_type).toBe('Bearer');
    await expect(mint.verifyGraphToken(access_token!)).resolves.toMatchObject({
      tenant: sandboxTenant,
      app: sandboxApp,
    });
    expect(mint.issued).toBe(1);
  });

  test('get a token for the tenant in the path, and for the audience in the scope', async () => {
    const mint = await start();
    const answer = await request(mint.url)
      .post(`/${otherTenant}/oauth2/v2.0/token`)
      .type('form')
      .send({ ...credentials, scope: `${mint.audience}/.default` });
    const { access_token } = answer.body as Record<string, string>;
    expect(decodeJwt(access_token!)).toMatchObject({ aud: mint.audience, tid: otherTenant, azp: sandboxApp });
  });

  test.each([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
    ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['another audience', { scope: 'https://other.example/.default' }, 400, 'invalid_scope'],
  ])('with %s get nothing', async (_, wrong, status, error) => {
    const mint = await start();
    const answer = await request(mint.url)
      .post('/token')
      .type('form')
      .send({ ...credentials, ...wrong });
    expect([answer.status, answer.body]).toEqual([status, { error }]);
    expect(mint.issued).toBe(0);
  });

  test('get no token while the mint is told to fail', async () => {
    const mint = await start();
    mint.failWith(503);
    expect((await request(mint.url).post('/token').type('form').send(credentials)).status).toBe(503);
    expect((await request(mint.url).get('/keys')).status).toBe(503);
    mint.failWith(undefined);
    expect((await request(mint.url).get('/keys')).status).toBe(200);
  });
});

describe('Graph tokens', () => {
  test('do not verify against the published keys, as real ones do not', async () => {
    const mint = await start();
    const token = await mint.mintGraphToken();
    await expect(jwtVerify(token, createRemoteJWKSet(new URL(mint.jwksUri)))).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
    await expect(mint.verifyGraphToken(token)).resolves.toMatchObject({ app: sandboxApp });
  });

  test('are refused when expired, for another audience, changed, or from another mint', async () => {
    const mint = await start();
    const other = await start();
    const [header, , signature] = (await mint.mintGraphToken()).split('.');
    const [, payload] = (await mint.mintGraphToken({ appid: 'another' })).split('.');
    for (const token of [
      await mint.mintGraphToken({ exp: 1 }),
      await mint.mintGraphToken({ aud: mint.audience }),
      await other.mintGraphToken(),
      await mint.mint(),
      [header, payload, signature].join('.'),
    ])
      await expect(mint.verifyGraphToken(token)).rejects.toThrow();
  });
});

describe('notification tokens', () => {
  const keysOf = async (mint: TokenMint): Promise<string> => {
    const metadata = await request(mint.url).get('/notifications/.well-known/OpenIdConfiguration');
    const { issuer, jwks_uri } = metadata.body as Record<string, string>;
    expect({ issuer, jwksUri: jwks_uri, metadataUri: mint.notifications.metadataUri }).toEqual(
      mint.notifications,
    );
    return jwks_uri!;
  };

  test('are like real ones: 300 s, to the bot, from the calling service, cty in the header, no iat', async () => {
    const mint = await start({ now: () => 1_000_999 });
    const token = await mint.mintNotificationToken();
    expect(decodeJwt(token)).toEqual({
      iss: 'https://api.botframework.com',
      aud: sandboxApp,
      tid: sandboxTenant,
      appid: '26a18ebc-cdf7-4a6a-91cb-beb352805e81',
      nbf: 1000,
      exp: 1300,
    });
    expect(decodeProtectedHeader(token)).toEqual({
      typ: 'JWT',
      cty: 'JWT',
      alg: 'RS256',
      kid: expect.any(String),
    });
  });

  test('carry the claims asked for, and lose those that are undefined', async () => {
    const mint = await start();
    const claims = decodeJwt(
      await mint.mintNotificationToken({ tid: undefined, serviceurl: 'https://x.example' }),
    );
    expect(claims).toMatchObject({ aud: sandboxApp, serviceurl: 'https://x.example' });
    expect(claims).not.toHaveProperty('tid');
  });

  test('verify against the keys that their own metadata names, and against no others', async () => {
    const mint = await start();
    const token = await mint.mintNotificationToken();
    const own = createRemoteJWKSet(new URL(await keysOf(mint)));
    await expect(jwtVerify(token, own, { audience: sandboxApp })).resolves.toBeDefined();
    const callers = createRemoteJWKSet(new URL(mint.jwksUri));
    await expect(jwtVerify(token, callers)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await expect(jwtVerify(await mint.mint(), own)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    });
  });

  test('have keys that go away with the rest of the mint, and cannot be posted for', async () => {
    const mint = await start();
    expect((await request(mint.url).post('/notifications/keys')).status).toBe(404);
    mint.failWith(503);
    for (const url of [mint.notifications.metadataUri, mint.notifications.jwksUri])
      expect((await request(mint.url).get(new URL(url).pathname)).status).toBe(503);
  });
});
