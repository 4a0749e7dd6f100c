import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import {
  createGraphCredentials,
  type GraphCredentialConfig,
  type GraphCredentials,
} from '../../../src/auth/graph-credential.ts';
import { grant } from '../../../src/core/decision.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { eventually } from '../../support/eventually.ts';
import { app, startIssuer, tenant, type TestIssuer } from '../../support/issuer.ts';

const minute = 60_000;
const other = '99999999-9999-4999-8999-999999999999';
const who = { tenant, app };
const secret = 'a-secret~that.nobody_may-see';

const pemOf = (key: KeyObject, type: 'spki' | 'pkcs8'): string =>
  key.export({ type, format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Made for these tests, with openssl; worth nothing anywhere else. */
const registered = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4d/1JlUU4cjtem5e
zIhHHVQwztRRdz9niDvplB3gkb6hRANCAAQRjlmHSzVM2Q7Wf9XjdEuIAFObE6eN
I09XQ+rtloRS+OyMWPJ644YTjVWee/9y/UTQ0ZtmX4l+AZzyTfBxc4Bv
-----END PRIVATE KEY-----`,
  certificate: `-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUbepos27wtr9TbW4wpHK1lNe3hO4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjExMTAzMDJaGA8yMTI2MTAyODExMDMw
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBGO
WYdLNUzZDtZ/1eN0S4gAU5sTp40jT1dD6u2WhFL47IxY8nrjhhONVZ57/3L9RNDR
m2ZfiX4BnPJN8HFzgG+jUzBRMB0GA1UdDgQWBBQvsQTpMgt/75uKcxK0i0B0A/YR
DTAfBgNVHSMEGDAWgBQvsQTpMgt/75uKcxK0i0B0A/YRDTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDT8oCniXq1blwVtaFKH0kapz/HPMwIKk10
LtdFXx/9oQIhANfmjpGfLONGwitHslZdql99TGCW9SHOsUMjJ17z4bFW
-----END CERTIFICATE-----`,
  // As openssl computes them.
  x5t: '3w56Kt6yHjolRPj-NZuDbPAos3E',
  'x5t#S256': 'Tb-a--Myc-8HoFfCLnOY66i2OE0oyRj2Bs1Y9htz5NY',
};
const registeredPublic = pemOf(createPublicKey(registered.certificate), 'spki');

let issuer: TestIssuer;
let time: number;
let logged: string[];

const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeEach(async () => {
  time = Date.now();
  logged = [];
  issuer = await startIssuer({
    clients: [
      { id: 'with-secret', secret },
      {
        id: 'rsa',
        publicKey: { pem: pemOf(rsa.publicKey, 'spki'), algorithm: 'PS256' },
        header: { kid: 'k1' },
      },
      { id: 'rsa-old', publicKey: { pem: pemOf(rsa.publicKey, 'spki'), algorithm: 'RS256' } },
      {
        id: 'registered',
        publicKey: { pem: registeredPublic, algorithm: 'ES256' },
        header: { typ: 'JWT', x5t: registered.x5t, 'x5t#S256': registered['x5t#S256'] },
      },
    ],
  });
});

afterEach(() => issuer.stop());

const withSecret = (more: Partial<GraphCredentialConfig> = {}): GraphCredentialConfig => ({
  tokenEndpoint: issuer.token.url,
  clientId: 'with-secret',
  clientSecret: secret,
  ...more,
});

const credentialsOf = (...config: GraphCredentialConfig[]): GraphCredentials =>
  createGraphCredentials(config, { fetch, now: () => time, log });

describe('a client proves itself', () => {
  test('with a secret, and asks for the default scope of Graph', async () => {
    expect(await credentialsOf(withSecret()).tokenFor(who)).toEqual(grant('graph-token-1'));
    expect(Object.fromEntries(issuer.token.requests[0]!)).toEqual({
      grant_type: 'client_credentials',
      client_id: 'with-secret',
      client_secret: secret,
      scope: 'https://graph.microsoft.com/.default',
    });
  });

  test('and asks for the configured scope', async () => {
    const scope = 'https://graph.microsoft.us/.default';
    await credentialsOf(withSecret({ scope })).tokenFor(who);
    expect(issuer.token.requests[0]!.get('scope')).toBe(scope);
  });

  test.each<[string, string, GraphCredentialConfig['privateKey']]>([
    ['with an RSA key, PS256 by default', 'rsa', { pem: pemOf(rsa.privateKey, 'pkcs8'), keyId: 'k1' }],
    ['with an RSA key and RS256', 'rsa-old', { pem: pemOf(rsa.privateKey, 'pkcs8'), algorithm: 'RS256' }],
    [
      'with a key whose certificate is registered',
      'registered',
      { pem: registered.key, algorithm: 'ES256', certificatePem: registered.certificate },
    ],
  ])('%s, by a new assertion every time', async (_, clientId, privateKey) => {
    const credentials = credentialsOf({ tokenEndpoint: issuer.token.url, clientId, privateKey: privateKey! });
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    time += 60 * minute;
    // The test issuer takes no assertion twice.
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-2'));
    expect(issuer.token.requests[0]!.has('client_secret')).toBe(false);
  });

  test('in vain with the wrong key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const config = { tokenEndpoint: issuer.token.url, clientId: 'rsa-old' };
    const credentials = credentialsOf({
      ...config,
      privateKey: { pem: pemOf(privateKey, 'pkcs8'), algorithm: 'RS256' },
    });
    expect(await credentials.tokenFor(who)).toRefuse('GraphCredentialUnavailable');
  });
});

describe('who may use which client', () => {
  test('the first entry that lists the caller is used, in any letter case', async () => {
    const credentials = credentialsOf(
      withSecret({ scope: 'other-tenant', tenants: [other] }),
      withSecret({ scope: 'other-app', apps: [other] }),
      withSecret({ scope: 'caller', tenants: [tenant.toUpperCase()], apps: [app.toUpperCase()] }),
      withSecret({ scope: 'everybody' }),
    );
    await credentials.tokenFor(who);
    await credentials.tokenFor({ tenant: 'aaaaaaaa-1111-4111-8111-111111111111', app });
    expect(issuer.token.requests.map((form) => form.get('scope'))).toEqual(['caller', 'everybody']);
  });

  test('an application may be listed for one tenant alone', async () => {
    const credentials = credentialsOf(
      withSecret({ scope: 'pair', apps: [`${tenant}/${app}`.toUpperCase()] }),
      withSecret({ scope: 'app', apps: [app] }),
    );
    await credentials.tokenFor(who);
    await credentials.tokenFor({ tenant: other, app });
    expect(issuer.token.requests.map((form) => form.get('scope'))).toEqual(['pair', 'app']);
    expect(await credentials.tokenFor({ tenant, app: other })).toRefuse('GraphCredentialMissing');
  });

  test('a caller whom no entry lists gets none', async () => {
    const credentials = credentialsOf(withSecret({ tenants: [other] }), withSecret({ apps: [] }));
    expect(await credentials.tokenFor(who)).toRefuse('GraphCredentialMissing');
    expect(issuer.token.requests).toHaveLength(0);
  });
});

describe('a token is fetched', () => {
  test('once for all who wait', async () => {
    const credentials = credentialsOf(withSecret());
    const tokens = await Promise.all(Array.from({ length: 50 }, () => credentials.tokenFor(who)));
    expect(new Set(tokens.map((token) => JSON.stringify(token))).size).toBe(1);
    expect(issuer.token.requests).toHaveLength(1);
  });

  test.each([
    ['five minutes before the expiry of a long-lived one', 7200, 115 * minute],
    ['at nine tenths of a short-lived one', 600, 9 * minute],
  ])('again %s, while the old one is still handed out', async (_, lifetime, refreshAt) => {
    issuer.token.lifetimeSeconds = lifetime;
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    const begun = time;
    time = begun + refreshAt - 1;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    expect(issuer.token.requests).toHaveLength(1);
    let release = (): void => undefined;
    issuer.token.hold = new Promise((resolve) => {
      release = resolve;
    });
    time = begun + refreshAt;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    release();
    await eventually(async () => {
      const token = await credentials.tokenFor(who);
      return token.ok && token.value === 'graph-token-2';
    });
    expect(issuer.token.requests).toHaveLength(2);
  });

  test('again by every request when its lifetime is not told', async () => {
    issuer.token.lifetimeSeconds = undefined;
    const credentials = credentialsOf(withSecret());
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-2'));
  });
});

describe('when the token endpoint fails', () => {
  test('there is none, and it is asked again after a second', async () => {
    issuer.token.answer = { status: 500, body: 'oops' };
    const credentials = credentialsOf(withSecret());
    const refusal = await credentials.tokenFor(who);
    expect(refusal).toRefuse('GraphCredentialUnavailable');
    expect(refusal).toMatchObject({ retryAfterMs: 1000 });
    issuer.token.answer = undefined;
    time += 999;
    expect(await credentials.tokenFor(who)).toRefuse('GraphCredentialUnavailable');
    expect(issuer.token.requests).toHaveLength(1);
    time += 1;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-2'));
  });

  test('a token that is still good is used until it expires, not longer', async () => {
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    await issuer.stop();
    const begun = time;
    time = begun + 55 * minute;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    await eventually(() => logged.length > 0, { what: 'the failed renewal' });
    time = begun + 60 * minute - 1;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    await eventually(() => logged.length > 1, { what: 'the second failed renewal' });
    time = begun + 62 * minute;
    expect(await credentials.tokenFor(who)).toRefuse('GraphCredentialUnavailable');
    await issuer.start();
    time += 1000;
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-2'));
  });

  test.each<[string, { status: number; body: unknown }]>([
    ['no token', { status: 200, body: { token_type: 'Bearer', expires_in: 3600 } }],
    [
      'a token of another type',
      { status: 200, body: { token_type: 'DPoP', access_token: 'x', expires_in: 1 } },
    ],
    [
      'a token that fits no header',
      { status: 200, body: { token_type: 'Bearer', access_token: 'x\r\ny: z' } },
    ],
    ['no JSON', { status: 200, body: '<html>' }],
    ['a redirect', { status: 302, body: { token_type: 'Bearer', access_token: 'x' } }],
  ])('or answers %s, there is none', async (_, answer) => {
    issuer.token.answer = answer;
    expect(await credentialsOf(withSecret()).tokenFor(who)).toRefuse('GraphCredentialUnavailable');
  });

  test('its codes are told, and what it quotes is not', async () => {
    issuer.token.answer = {
      status: 401,
      body: { error: 'invalid_client', error_description: `AADSTS7000215: not ${secret}`, hint: secret },
    };
    const refusal = await credentialsOf(withSecret()).tokenFor(who);
    expect(refusal).toMatchObject({
      detail: 'the token endpoint answered 401 (invalid_client AADSTS7000215)',
    });
    expect(logged.join()).toContain('AADSTS7000215');
    issuer.token.answer = { status: 400, body: { error: secret } };
    time += 1000;
    const quoting = await credentialsOf(withSecret()).tokenFor(who);
    expect(quoting).toMatchObject({ detail: 'the token endpoint answered 400' });
    for (const text of [refusal, quoting, logged]) expect(JSON.stringify(text)).not.toContain(secret);
  });
});

describe('a configuration that cannot work is refused at once', () => {
  const pem = pemOf(rsa.privateKey, 'pkcs8');

  test.each<[string, Partial<GraphCredentialConfig>]>([
    ['a secret and a key', { clientSecret: secret, privateKey: { pem } }],
    ['neither', {}],
    ['a secret and a federated token', { clientSecret: secret, federatedTokenFile: '/token' }],
    ['an empty secret', { clientSecret: '' }],
    ['a key that cannot be read', { privateKey: { pem: pem.slice(0, 200) } }],
    ['an RSA key for ES256', { privateKey: { pem, algorithm: 'ES256' } }],
    ['an EC key for PS256', { privateKey: { pem: pemOf(ec.privateKey, 'pkcs8') } }],
    ['the certificate of another key', { privateKey: { pem, certificatePem: registered.certificate } }],
    ['no certificate', { privateKey: { pem, certificatePem: 'x' } }],
    ['secrets in the clear', { clientSecret: secret, tokenEndpoint: 'http://login.test/token' }],
  ])('%s', (_, config) => {
    let fault: unknown;
    try {
      credentialsOf({ tokenEndpoint: issuer.token.url, clientId: 'x', ...config });
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
    for (const hidden of [secret, pem.slice(100, 150)]) expect(String(fault)).not.toContain(hidden);
  });
});

describe('a token that Graph has refused', () => {
  test('is replaced, once for all who were refused with it', async () => {
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    const replaced = await Promise.all(
      Array.from({ length: 20 }, async () => credentials.replace(who, 'graph-token-1')),
    );
    expect(new Set(replaced)).toEqual(new Set(['graph-token-2']));
    expect(issuer.token.requests).toHaveLength(2);
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-2'));
    expect(logged).toEqual([expect.stringContaining('Graph refused an access token')]);
  });

  test('and was an older one needs no new one', async () => {
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    await credentials.replace(who, 'graph-token-1');
    expect(await credentials.replace(who, 'graph-token-1')).toBe('graph-token-2');
    expect(issuer.token.requests).toHaveLength(2);
  });

  test('like every other is not replaced for a while: there is no flood', async () => {
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    expect(await credentials.replace(who, 'graph-token-1')).toBe('graph-token-2');
    for (let turn = 0; turn < 50; turn++) expect(credentials.replace(who, 'graph-token-2')).toBeUndefined();
    expect(issuer.token.requests).toHaveLength(2);
    time += 5000;
    expect(await credentials.replace(who, 'graph-token-2')).toBe('graph-token-3');
  });

  test('stays where there is no other: for a moment, or because it is given again', async () => {
    const credentials = credentialsOf(withSecret());
    await credentials.tokenFor(who);
    issuer.token.answer = { status: 500, body: 'oops' };
    expect(await credentials.replace(who, 'graph-token-1')).toBeUndefined();
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
    issuer.token.answer = {
      status: 200,
      body: { token_type: 'Bearer', access_token: 'graph-token-1', expires_in: 3600 },
    };
    time += 1000;
    expect(await credentials.replace(who, 'graph-token-1')).toBeUndefined();
    expect(await credentials.tokenFor(who)).toEqual(grant('graph-token-1'));
  });

  test('of a caller whom no entry lists is nobody’s', () => {
    expect(credentialsOf(withSecret({ apps: [other] })).replace(who, 'x')).toBeUndefined();
  });
});
