import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { base64url, exportJWK, generateKeyPair } from 'jose';
import { fetch } from 'undici';
import type { IssuerConfig } from '../../../src/auth/issuers.ts';
import { createVerifier } from '../../../src/auth/verify.ts';
import type { Verifier } from '../../../src/core/ports/identity.ts';
import {
  app,
  audience,
  type Claims,
  type MintOptions,
  startIssuer,
  tampered,
  tenant,
  type TestIssuer,
} from '../../support/issuer.ts';

const other = '99999999-9999-4999-8999-999999999999';

let issuer: TestIssuer;
const open: (() => unknown)[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
});

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

afterAll(() => issuer.stop());

async function anotherIssuer(): Promise<TestIssuer> {
  const another = await startIssuer();
  open.push(() => another.stop());
  return another;
}

const trust = (more: Partial<IssuerConfig> = {}): IssuerConfig => ({
  issuer: issuer.issuer,
  audience,
  jwksUri: issuer.jwksUri,
  ...more,
});

function verifierFor(...issuers: IssuerConfig[]): Verifier {
  const verifier = createVerifier(issuers, { fetch });
  open.push(() => verifier.close());
  return verifier;
}

const verifyMinted = async (claims: Claims, options?: MintOptions, config?: Partial<IssuerConfig>) =>
  verifierFor(trust(config)).verify(await issuer.mint(claims, options));

describe('a good token', () => {
  test.each(['RS256', 'PS256', 'ES256'])('signed with %s names its caller', async (alg) => {
    const exp = Math.floor(Date.now() / 1000) + 600;
    expect(await verifyMinted({ exp }, { alg })).toEqual({
      ok: true,
      value: { tenant, app, issuer: issuer.issuer, expiresAt: exp * 1000 },
    });
  });

  const good: [when: string, claims: Claims, options?: MintOptions][] = [
    ['names the application in appid', { azp: undefined, appid: app }],
    [
      'names it twice, in either case',
      { appid: 'ABCDEF00-2222-4222-8222-222222222222', azp: 'abcdef00-2222-4222-8222-222222222222' },
    ],
    ['has several audiences', { aud: ['api://other', audience] }],
    ['has neither nbf nor iat', { nbf: undefined, iat: undefined }],
    ['expired within the clock tolerance', {}, { expiresIn: -10 }],
    ['becomes valid within the clock tolerance', { nbf: Math.floor(Date.now() / 1000) + 15 }],
    ['says that its content is a JWT', {}, { header: { cty: 'JWT' } }],
    ['has a type of its own', {}, { header: { typ: 'at+jwt' } }],
    ['holds the other default role', { roles: ['Calls.JoinGroupCall.All'] }],
    ['spells its role in other letter case', { roles: ['User.Read.All', 'calls.accessmedia.ALL'] }],
  ];

  test.each(good.map(([when, claims, options]) => ({ when, claims, options })))(
    'is accepted when it $when',
    async ({ claims, options }) => {
      expect(await verifyMinted(claims, options)).toMatchObject({ ok: true });
    },
  );

  test('is named in lower case, whatever its letter case and that of the lists', async () => {
    const tid = 'ABCDEF00-1111-4111-8111-111111111111';
    const azp = 'ABCDEF00-2222-4222-8222-222222222222';
    const verified = await verifyMinted({ tid, azp }, {}, { tenants: [tid], apps: [azp.toLowerCase()] });
    expect(verified).toMatchObject({
      ok: true,
      value: { tenant: tid.toLowerCase(), app: azp.toLowerCase() },
    });
  });
});

describe('a token that is not valid here', () => {
  const bad: [when: string, claims: Claims, options: MintOptions, detail: string][] = [
    ['has another audience', { aud: 'api://other' }, {}, 'aud'],
    ['has an audience that only begins like ours', { aud: `${audience}/x` }, {}, 'aud'],
    ['has no audience', { aud: undefined }, {}, 'aud is missing'],
    ['is of an unknown issuer', { iss: 'https://issuer.test' }, {}, 'issuer'],
    ['names no issuer', { iss: undefined }, {}, 'issuer'],
    ['never expires', { exp: undefined }, {}, 'exp is missing'],
    ['is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 3600 }, {}, 'nbf'],
    ['is not signed', {}, { alg: 'none' }, 'alg'],
    ['is signed with the public key as a secret', {}, { alg: 'HS256' }, 'alg'],
    ['is signed with an algorithm that is not on the list', {}, { alg: 'RS512' }, 'alg'],
    ['names an unknown key', {}, { kid: 'rsa-7' }, 'kid'],
    ['names a key of another kind', {}, { kid: 'ec-1' }, 'kid'],
    ['demands an extension', {}, { header: { crit: ['urn:x'], 'urn:x': 1 } }, 'header'],
    ['is the token of a user', { scp: 'Calls.AccessMedia.All' }, {}, 'scp'],
    ['is the token of a user without scopes', { scp: '' }, {}, 'scp'],
    ['names no tenant', { tid: undefined }, {}, 'tid'],
    ['names a tenant by its domain', { tid: 'contoso.com' }, {}, 'tid'],
    ['names no application', { azp: undefined }, {}, 'azp or appid'],
    ['names two applications', { appid: other }, {}, 'azp and appid'],
  ];

  test.each(bad.map(([when, claims, options, detail]) => ({ when, claims, options, detail })))(
    'is refused when it $when',
    async ({ claims, options, detail }) => {
      const token = await issuer.mint(claims, options);
      const refusal = await verifierFor(trust()).verify(token);
      expect(refusal).toRefuse('TokenInvalid');
      expect(refusal).toMatchObject({ detail: expect.stringContaining(detail) });
      for (const part of token.split('.').filter((text) => text !== ''))
        expect(JSON.stringify(refusal)).not.toContain(part);
    },
  );

  test('is refused when it spells its issuer in another way', async () => {
    for (const iss of [`${issuer.issuer}/`, issuer.issuer.toUpperCase(), [issuer.issuer]])
      expect(await verifyMinted({ iss })).toRefuse('TokenInvalid');
  });

  test('is refused when its claims were changed after it was signed', async () => {
    const token = tampered(await issuer.mint({ tid: other }), { tid: tenant });
    const refusal = await verifierFor(trust()).verify(token);
    expect(refusal).toRefuse('TokenInvalid');
    expect(refusal).toMatchObject({ detail: expect.stringContaining('signature') });
  });

  test.each(['', 'x', 'a.b', 'a.b.c', '..', 'e30.e30.', 'e30.bnVsbA.x', `e30.${'e30.'.repeat(4)}`])(
    'is refused when it is %j',
    async (token) => expect(await verifierFor(trust()).verify(token)).toRefuse('TokenInvalid'),
  );

  test('is refused without a key id when its issuer has several keys that could have signed it', async () => {
    const two = await anotherIssuer();
    const jwk = async (): Promise<object> => exportJWK((await generateKeyPair('RS256')).publicKey);
    two.keysAnswer = { status: 200, body: JSON.stringify({ keys: [await jwk(), await jwk()] }) };
    const refusal = await verifierFor(trust({ issuer: two.issuer, jwksUri: two.jwksUri })).verify(
      await two.mint({}, { kid: null }),
    );
    expect(refusal).toRefuse('TokenInvalid');
    expect(refusal).toMatchObject({ detail: expect.stringContaining('signing key') });
  });

  test('is refused unread when it is longer than 16 KiB', async () => {
    const verifier = verifierFor(trust());
    const before = issuer.fetches;
    const refusal = await verifier.verify(await issuer.mint({ padding: 'x'.repeat(16 * 1024) }));
    expect(refusal).toRefuse('TokenInvalid');
    expect(refusal).toMatchObject({ detail: expect.stringContaining('16 KiB') });
    expect(issuer.fetches).toBe(before);
  });

  test('cannot bring its own key', async () => {
    const attacker = await anotherIssuer();
    const mine = await (await fetch(attacker.jwksUri)).json();
    const [jwk] = (mine as { keys: Record<string, unknown>[] }).keys;
    const seen = attacker.fetches;
    for (const header of [{ jku: attacker.jwksUri }, { jwk }, { x5u: attacker.jwksUri }]) {
      const token = await attacker.mint({ iss: issuer.issuer }, { header });
      expect(await verifierFor(trust()).verify(token)).toRefuse('TokenInvalid');
    }
    expect(attacker.fetches).toBe(seen);
  });
});

test('a token that has expired is told apart', async () => {
  expect(await verifyMinted({}, { expiresIn: -60 })).toRefuse('TokenExpired');
});

describe('a genuine token that is not on the list', () => {
  test.each<[string, Claims, Partial<IssuerConfig>, string]>([
    ['another tenant', { tid: other }, { tenants: [tenant] }, 'tid'],
    ['any tenant, when the list is empty', {}, { tenants: [] }, 'tid'],
    ['another application', { azp: other }, { apps: [app] }, 'azp or appid'],
    ['no roles at all', { roles: undefined }, {}, 'roles'],
    ['another role', { roles: ['User.Read.All'] }, {}, 'roles'],
    ['a role in the plural', { roles: ['Calls.JoinGroupCalls.All'] }, {}, 'roles'],
    ['a role that is not a list', { roles: 'Calls.AccessMedia.All' }, {}, 'roles'],
    ['a default role, when another is wanted', {}, { roles: ['Tallylight.Record'] }, 'roles'],
  ])('is refused: %s', async (_, claims, config, detail) => {
    const refusal = await verifyMinted(claims, {}, config);
    expect(refusal).toRefuse('TokenNotAllowed');
    expect(refusal).toMatchObject({ detail: expect.stringContaining(detail) });
  });

  test('needs no role where the list of roles is empty', async () => {
    expect(await verifyMinted({ roles: undefined }, {}, { roles: [] })).toMatchObject({ ok: true });
  });

  test('may hold a role that the operator chose', async () => {
    const verified = await verifyMinted(
      { roles: ['tallylight.record'] },
      {},
      { roles: ['Tallylight.Record'] },
    );
    expect(verified).toMatchObject({ ok: true });
  });
});

describe('several issuers', () => {
  test('are told apart by the exact issuer, and keys of one never answer for the other', async () => {
    const second = await anotherIssuer();
    const verifier = verifierFor(trust(), trust({ issuer: second.issuer, jwksUri: second.jwksUri }));
    // Both name their keys alike.
    expect(await verifier.verify(await issuer.mint())).toMatchObject({ value: { issuer: issuer.issuer } });
    expect(await verifier.verify(await second.mint())).toMatchObject({ value: { issuer: second.issuer } });
    expect(await verifier.verify(await second.mint({ iss: issuer.issuer }))).toRefuse('TokenInvalid');
    expect(await verifier.verify(await issuer.mint({ iss: second.issuer }))).toRefuse('TokenInvalid');
  });

  test('two entries of one issuer accept their own audiences, with their own lists', async () => {
    const verifier = verifierFor(
      trust({ audience: 'api://one', tenants: [other] }),
      trust({ audience: ['api://two', 'api://three'], tenants: [tenant] }),
    );
    const before = issuer.fetches;
    expect(await verifier.verify(await issuer.mint({ aud: 'api://two' }))).toMatchObject({ ok: true });
    expect(await verifier.verify(await issuer.mint({ aud: 'api://three' }))).toMatchObject({ ok: true });
    expect(await verifier.verify(await issuer.mint({ aud: 'api://one' }))).toRefuse('TokenNotAllowed');
    expect(await verifier.verify(await issuer.mint({ aud: 'api://four' }))).toRefuse('TokenInvalid');
    expect(await verifier.verify(await issuer.mint({ aud: 'api://two', exp: 1 }))).toRefuse('TokenExpired');
    expect(issuer.fetches).toBe(before + 1);
  });
});

describe('a configuration that could not be safe', () => {
  test.each<[string, Partial<IssuerConfig>]>([
    ['a symmetric algorithm', { algorithms: ['RS256', 'HS256'] }],
    ['unsigned tokens', { algorithms: ['none'] }],
    ['no algorithm', { algorithms: [] }],
    ['no audience', { audience: [] }],
    ['an empty audience', { audience: '' }],
    ['an issuer without a name', { issuer: '' }],
    ['keys that travel in the clear', { jwksUri: 'http://issuer.test/keys' }],
  ])('is refused: %s', (_, config) => {
    let fault: unknown;
    try {
      verifierFor(trust(config));
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
  });
});

test('a token whose claims hold no JSON object is refused', async () => {
  const token = [{ alg: 'RS256' }, 'text'].map((part) => base64url.encode(JSON.stringify(part))).join('.');
  expect(await verifierFor(trust()).verify(`${token}.x`)).toRefuse('TokenInvalid');
});

describe('a token of Entra', () => {
  const v1 = (of: string): string => `https://sts.windows.net/${of}/`;
  const v2 = (of: string): string => `https://login.microsoftonline.com/${of}/v2.0`;
  const noted: string[] = [];
  const note = (facts: unknown, text: string): void => void noted.push(`${text} ${JSON.stringify(facts)}`);
  const log = { debug: note, info: note, warn: note, error: note };
  const asked = async (iss: string, configured: readonly string[]) => {
    noted.length = 0;
    const verifier = createVerifier(
      configured.map((name) => trust({ issuer: name })),
      { fetch, log },
    );
    open.push(() => verifier.close());
    const refusal = await verifier.verify(await issuer.mint({ iss }));
    expect(await verifier.verify(await issuer.mint({ iss, jti: 'another' }))).toEqual(refusal);
    return refusal;
  };

  test.each([
    ['1.0', v1(tenant), [v2(tenant)], 'to 2'],
    ['1.0', v1(tenant.toUpperCase()), [v2(other), v2(tenant)], 'to 2'],
    ['2.0', v2(tenant), [v1(tenant)], 'to 1'],
    ['2.0', `https://login.microsoftonline.us/${tenant}/v2.0`, [v1(tenant)], 'to 1'],
  ])(
    'of version %s says so where only the other one is configured, and what to do',
    async (version, iss, configured, cure) => {
      const refusal = await asked(iss, configured);
      expect(refusal).toRefuse('TokenInvalid');
      const { detail } = refusal as { detail?: string };
      expect(detail).toContain(`an Entra token of version ${version}`);
      expect(detail).toContain(cure);
      expect(detail).toContain('accessTokenAcceptedVersion');
      expect(detail).toContain('configure both issuers');
      expect(noted).toEqual([expect.stringContaining(`version ${version}`)]);
    },
  );

  test.each([
    ['another tenant', v1(other), [v2(tenant)]],
    ['another issuer', 'https://sts.example/', [v2(tenant)]],
    ['a name that only begins alike', `${v1(tenant)}x`, [v2(tenant)]],
    ['nobody', '', [v2(tenant)]],
  ])('of %s is none of an issuer known here', async (_, iss, configured) => {
    expect(await asked(iss, configured)).toMatchObject({
      detail: 'its issuer (iss) is not configured',
    });
    expect(noted).toEqual([]);
  });

  test('of either version is good where both are configured', async () => {
    const verifier = verifierFor(trust({ issuer: v1(tenant) }), trust({ issuer: v2(tenant) }));
    for (const iss of [v1(tenant), v2(tenant)])
      expect(await verifier.verify(await issuer.mint({ iss }))).toMatchObject({ ok: true });
  });
});
