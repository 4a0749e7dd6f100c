import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { callingService, type NotificationIssuerConfig } from '../../../src/auth/notification-issuers.ts';
import { createNotificationVerifier } from '../../../src/auth/notifications.ts';
import { createVerifier } from '../../../src/auth/verify.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { eventually } from '../../support/eventually.ts';
import {
  app,
  audience,
  bot,
  type Claims,
  type MintOptions,
  startIssuer,
  tampered,
  tenant,
  type TestIssuer,
} from '../../support/issuer.ts';

const second = 1000;
const hour = 3600 * second;
const other = '99999999-9999-4999-8999-999999999999';
const joinAudience = 'https://api.botframework.com';
const granted = { ok: true, value: { tenant, app: bot } };

let time: number;
const now = (): number => time;
/** For tests that change neither its keys nor its answers: keys take long to make. */
let steady: TestIssuer;
let cloud: TestIssuer;
let logged: string[];
const open: (() => unknown)[] = [];

const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeAll(async () => {
  steady = await startIssuer({ now });
});

afterAll(() => steady.stop());

beforeEach(() => {
  time = Date.now();
  logged = [];
  cloud = steady;
});

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function anotherIssuer(): Promise<TestIssuer> {
  const another = await startIssuer({ now });
  open.push(() => another.stop());
  return another;
}

const trust = (
  more: Partial<NotificationIssuerConfig> = {},
  { issuer, metadataUri }: TestIssuer = cloud,
): NotificationIssuerConfig => ({ issuer, audience: bot, metadataUri, ...more });

function verifierFor(...issuers: NotificationIssuerConfig[]): ReturnType<typeof createNotificationVerifier> {
  const verifier = createNotificationVerifier(issuers, { fetch, now, log });
  open.push(() => verifier.close());
  return verifier;
}

const verifyMinted = async (
  claims: Claims,
  options?: MintOptions,
  config?: Partial<NotificationIssuerConfig>,
) => verifierFor(trust(config)).verify(await cloud.mintNotification(claims, options));

describe('the token of a notification', () => {
  test('lives for 300 s, has no iat, says cty: JWT, and names the tenant and the bot', async () => {
    expect(await verifyMinted({})).toEqual(granted);
  });

  const good: [
    when: string,
    claims: Claims,
    options?: MintOptions,
    config?: Partial<NotificationIssuerConfig>,
  ][] = [
    ['has an iat and lives for an hour', { iat: 1 }, { expiresIn: 3600 }],
    ['lives for exactly two hours', {}, { expiresIn: 7200 }],
    ['has no cty', {}, { header: { cty: undefined } }],
    ['names its service in azp', { appid: undefined, azp: callingService }],
    ['is of another service, when that is on the list', { appid: other }, {}, { apps: [other] }],
    ['names no service, when the list is empty', { appid: undefined }, {}, { apps: [] }],
    ['is for one of several bots', {}, {}, { audience: [other, bot.toUpperCase()] }],
    ['is of a tenant on the list', {}, {}, { tenants: [other, tenant.toUpperCase()] }],
    ['has another algorithm that is on the list', {}, { alg: 'PS256' }, { algorithms: ['PS256'] }],
    ['expired within the clock tolerance', {}, { expiresIn: -29 }],
  ];

  test.each(good.map(([when, claims, options, config]) => ({ when, claims, options, config })))(
    'is accepted when it $when',
    async ({ claims, options, config }) => {
      expect(await verifyMinted(claims, options, config)).toEqual(granted);
    },
  );

  test('names a tenant in lower case, however it was written', async () => {
    const tid = 'ABCDEF00-1111-4111-8111-111111111111';
    expect(await verifyMinted({ tid })).toEqual({ ok: true, value: { tenant: tid.toLowerCase(), app: bot } });
  });

  test('is told apart once it has expired beyond the clock tolerance', async () => {
    expect(await verifyMinted({}, { expiresIn: -31 })).toRefuse('TokenExpired');
  });
});

describe('a token that looks like one', () => {
  const inSeconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset;
  const bad: [what: string, claims: Claims, options: MintOptions, detail: string][] = [
    [
      'of a message, with a serviceurl',
      { serviceurl: 'https://smba.test/' },
      {},
      'message token (serviceurl)',
    ],
    ['of a message, in other letter case', { serviceUrl: '' }, {}, 'message token (serviceurl)'],
    ['of a message, as it is', { serviceurl: 'x', tid: undefined, appid: undefined }, {}, '(serviceurl)'],
    ['of a message, without its serviceurl', { tid: undefined }, {}, 'names no tenant (tid)'],
    ['to join a meeting', { aud: joinAudience }, { expiresIn: 24 * 3600 }, 'meeting join token'],
    ['to join a meeting, without nbf', { aud: joinAudience, nbf: undefined }, {}, 'meeting join token'],
    ['to join a meeting, for the bot too', { aud: [joinAudience, bot] }, {}, 'meeting join token'],
    ['that lives for a day', {}, { expiresIn: 24 * 3600 }, 'more than two hours'],
    ['that lives for a second too long', {}, { expiresIn: 7201 }, 'more than two hours'],
    ['of a user', { scp: 'x' }, {}, 'user token (scp)'],
    ['for another bot', { aud: other }, {}, 'aud'],
    ['for a bot whose id begins alike', { aud: `${bot}0` }, {}, 'aud'],
    ['for this bot and another', { aud: [bot, other] }, {}, 'several audiences'],
    ['for nobody', { aud: undefined }, {}, 'aud is missing'],
    ['that names its tenant by a domain', { tid: 'contoso.com' }, {}, 'names no tenant (tid)'],
    ['that names no service', { appid: undefined }, {}, 'azp or appid'],
    ['that names two services', { azp: app }, {}, 'azp and appid'],
    ['that never expires', { exp: undefined }, {}, 'exp is missing'],
    ['that was always valid', { nbf: undefined }, {}, 'nbf is missing'],
    ['that is not valid yet', { nbf: inSeconds(3600), exp: inSeconds(3900) }, {}, 'nbf'],
    ['with another algorithm', {}, { alg: 'PS256' }, 'alg'],
    ['with the other kind of key', {}, { alg: 'ES256' }, 'alg'],
    ['signed with the public key as a secret', {}, { alg: 'HS256' }, 'alg'],
    ['that is not signed', {}, { alg: 'none' }, 'alg'],
    ['of another issuer', { iss: joinAudience }, {}, 'issuer'],
  ];

  test.each(bad.map(([what, claims, options, detail]) => ({ what, claims, options, detail })))(
    'is refused: one $what',
    async ({ claims, options, detail }) => {
      const token = await cloud.mintNotification(claims, options);
      const refusal = await verifierFor(trust()).verify(token);
      expect(refusal).toRefuse('TokenInvalid');
      expect(refusal).toMatchObject({ detail: expect.stringContaining(detail) });
      expectUnseen(token, refusal);
    },
  );

  test.each<[string, Claims, Partial<NotificationIssuerConfig>, string]>([
    ['another tenant', { tid: other }, { tenants: [tenant] }, 'tid'],
    ['another service', { appid: app }, {}, 'calling service'],
    ['the default service, when another is wanted', {}, { apps: [app] }, 'calling service'],
  ])('is not on the list: one of %s', async (_, claims, config, detail) => {
    const refusal = await verifyMinted(claims, {}, config);
    expect(refusal).toRefuse('TokenNotAllowed');
    expect(refusal).toMatchObject({ detail: expect.stringContaining(detail) });
  });

  test('is refused when it spells its issuer in another way', async () => {
    for (const iss of [`${cloud.issuer}/`, cloud.issuer.toUpperCase()])
      expect(await verifyMinted({ iss })).toRefuse('TokenInvalid');
  });

  test('is refused when its claims were changed after it was signed', async () => {
    const token = tampered(await cloud.mintNotification({ tid: other }), { tid: tenant });
    const refusal = await verifierFor(trust()).verify(token);
    expect(refusal).toMatchObject({ reason: 'TokenInvalid', detail: expect.stringContaining('signature') });
  });
});

function expectUnseen(token: string, refusal: unknown): void {
  const [, payload, signature] = token.split('.');
  for (const part of [payload, signature].filter((text) => text !== undefined && text !== ''))
    expect(JSON.stringify([refusal, logged])).not.toContain(part);
}

test("a caller's token is no notification's, nor the other way round, though one issuer signed both", async () => {
  const callers = createVerifier([{ issuer: cloud.issuer, audience, jwksUri: cloud.jwksUri }], {
    fetch,
    now,
  });
  open.push(() => callers.close());
  const notifications = verifierFor(trust());
  const [called, notified] = [await cloud.mint(), await cloud.mintNotification()];
  // Twice: what one has verified and remembers must not help the other.
  for (let round = 0; round < 2; round++) {
    expect(await callers.verify(called)).toMatchObject({ ok: true });
    expect(await notifications.verify(notified)).toEqual(granted);
    expect(await notifications.verify(called)).toRefuse('TokenInvalid');
    expect(await callers.verify(notified)).toRefuse('TokenInvalid');
  }
});

describe('when the keys of the calling service', () => {
  beforeEach(async () => {
    cloud = await anotherIssuer();
  });

  test('are rotated, the new one is found early, but not asked for at will', async () => {
    const verifier = verifierFor(trust());
    await verifier.verify(await cloud.mintNotification());
    await cloud.rotate();
    const token = await cloud.mintNotification({}, { expiresIn: 600 });
    expect(await verifier.verify(token)).toRefuse('TokenInvalid');
    expect([cloud.metadataFetches, cloud.fetches]).toEqual([1, 1]);
    time += 30 * second;
    expect(await verifier.verify(token)).toEqual(granted);
    expect([cloud.metadataFetches, cloud.fetches]).toEqual([2, 2]);
  });

  test('move, the metadata says where', async () => {
    const verifier = verifierFor(trust());
    await verifier.verify(await cloud.mintNotification());
    expect(cloud.keysPath).toBe('/keys');
    cloud.metadataAnswer = { status: 200, body: { jwks_uri: `${cloud.issuer}/moved` } };
    await cloud.rotate();
    time += 30 * second;
    expect(await verifier.verify(await cloud.mintNotification())).toEqual(granted);
    expect(cloud.keysPath).toBe('/moved');
  });

  test.each(['keys', 'metadata'] as const)('cannot be had (%s), no token is called bad', async (what) => {
    const verifier = verifierFor(trust());
    const answer = { status: 503, body: '' };
    if (what === 'keys') cloud.keysAnswer = answer;
    else cloud.metadataAnswer = answer;
    const token = await cloud.mintNotification();
    const refusal = await verifier.verify(token);
    expect(refusal).toRefuse('CannotVerify');
    expect(refusal).toMatchObject({ retryAfterMs: 5000 });
    expect(logged.join()).toContain(`the ${what === 'keys' ? 'key' : 'metadata'} server answered 503`);
    cloud.keysAnswer = cloud.metadataAnswer = undefined;
    time += 5 * second;
    expect(await verifier.verify(token)).toEqual(granted);
    expectUnseen(token, refusal);
  });

  test('were fetched before, the first token waits for nothing', async () => {
    const verifier = verifierFor(trust());
    verifier.prefetch();
    await eventually(() => logged.join().includes('signing keys fetched'));
    await cloud.stop();
    expect(await verifier.verify(await cloud.mintNotification())).toEqual(granted);
  });

  test('are on a server that is down, it is the same, until it is back', async () => {
    const verifier = verifierFor(trust());
    await cloud.stop();
    const token = await cloud.mintNotification();
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
    await cloud.start();
    time += 5 * second;
    expect(await verifier.verify(token)).toEqual(granted);
  });

  test('are known, they serve while the server is down', async () => {
    const verifier = verifierFor(trust());
    await verifier.verify(await cloud.mintNotification());
    await cloud.stop();
    time += hour;
    expect(await verifier.verify(await cloud.mintNotification())).toEqual(granted);
    expect(await verifier.verify(await cloud.mintNotification({}, { kid: 'rsa-7' }))).toRefuse(
      'CannotVerify',
    );
  });

  test('are named directly, no metadata is asked for', async () => {
    const verifier = verifierFor({ issuer: cloud.issuer, audience: bot, jwksUri: cloud.jwksUri });
    expect(await verifier.verify(await cloud.mintNotification())).toEqual(granted);
    expect(cloud.metadataFetches).toBe(0);
  });
});

describe('metadata', () => {
  beforeEach(async () => {
    cloud = await anotherIssuer();
  });

  const bad: [what: string, body: (elsewhere: TestIssuer) => unknown, told: string][] = [
    ['names keys at another host', ({ jwksUri }) => ({ jwks_uri: jwksUri }), 'another origin'],
    ['names keys in the clear', () => ({ jwks_uri: 'http://keys.test/' }), 'jwks_uri must be https'],
    ['names keys at another host by https', () => ({ jwks_uri: 'https://127.0.0.1/' }), 'another origin'],
    ['names no keys', () => ({}), 'jwks_uri is not a URL'],
    ['is no object', () => '[]', 'jwks_uri is not a URL'],
    ['is no JSON', () => '<html>', 'the metadata is not valid'],
  ];

  test.each(bad)('that %s is not followed, and the operator is told', async (_, body, told) => {
    const elsewhere = await anotherIssuer();
    cloud.metadataAnswer = { status: 200, body: body(elsewhere) };
    const verifier = verifierFor(trust());
    // Signed by the other issuer, which is where the keys would come from.
    expect(await verifier.verify(await elsewhere.mintNotification({ iss: cloud.issuer }))).toRefuse(
      'CannotVerify',
    );
    expect(elsewhere.fetches).toBe(0);
    expect(logged.join()).toContain(told);
  });

  test('that redirects is not followed', async () => {
    cloud.metadataAnswer = { status: 302, body: { jwks_uri: cloud.jwksUri } };
    expect(await verifierFor(trust()).verify(await cloud.mintNotification())).toRefuse('CannotVerify');
  });
});

describe('two clouds', () => {
  test('with issuers of their own: keys of one never answer for the other', async () => {
    const second = await anotherIssuer();
    const verifier = verifierFor(trust(), trust({}, second));
    for (const [one, two] of [[cloud, second] as const, [second, cloud] as const]) {
      expect(await verifier.verify(await one.mintNotification())).toEqual(granted);
      expect(await verifier.verify(await one.mintNotification({ iss: two.issuer }))).toRefuse('TokenInvalid');
    }
  });

  test('whose issuer has one name: each key set is for its own bots', async () => {
    const iss = 'https://api.botframework.example';
    const second = await anotherIssuer();
    const verifier = verifierFor(
      trust({ issuer: iss }),
      trust({ issuer: iss, audience: other, tenants: [other] }, second),
    );
    const there = { iss, aud: other, tid: other };
    expect(await verifier.verify(await cloud.mintNotification({ iss }))).toEqual(granted);
    expect(await verifier.verify(await second.mintNotification(there))).toEqual({
      ok: true,
      value: { tenant: other, app: other },
    });
    expect(await verifier.verify(await second.mintNotification({ iss }))).toRefuse('TokenInvalid');
    expect(await verifier.verify(await cloud.mintNotification(there))).toRefuse('TokenInvalid');
    expect(await verifier.verify(await second.mintNotification({ ...there, tid: tenant }))).toRefuse(
      'TokenNotAllowed',
    );
  });

  test('one of them down: its tokens cannot be verified, those of the other can', async () => {
    const second = await anotherIssuer();
    const verifier = verifierFor(trust(), trust({}, second));
    const [here, there] = [await cloud.mintNotification(), await second.mintNotification()];
    await second.stop();
    expect(await verifier.verify(there)).toRefuse('CannotVerify');
    expect(await verifier.verify(here)).toEqual(granted);
  });
});

describe('a configuration that could not be safe is refused', () => {
  test.each<[string, Partial<NotificationIssuerConfig>]>([
    ['the audience of join tokens', { audience: joinAudience }],
    ['an audience that is no application, among others', { audience: [bot, 'api://bot'] }],
    ['no audience', { audience: [] }],
    ['no issuer', { issuer: '' }],
    ['a symmetric algorithm', { algorithms: ['HS256'] }],
    ['no algorithm', { algorithms: [] }],
    ['metadata in the clear', { metadataUri: 'http://api.aps.skype.example/' }],
    ['two places for keys', { jwksUri: 'https://api.aps.skype.example/keys' }],
  ])('%s', (_, config) => {
    let fault: unknown;
    try {
      verifierFor(trust(config));
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
  });

  test('no place for keys', () => {
    let fault: unknown;
    try {
      verifierFor({ issuer: 'https://x.example', audience: bot });
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
  });
});
