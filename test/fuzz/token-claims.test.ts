import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { JWTPayload } from 'jose';
import { readIssuer } from '../../src/auth/issuers.ts';
import { callingService, readNotificationIssuer } from '../../src/auth/notification-issuers.ts';
import { createVerifier } from '../../src/auth/verify.ts';
import { bearerToken, claimedBinding, readGraphToken } from '../../src/core/http/bearer.ts';
import { app, audience, bot, startIssuer, tenant, type TestIssuer } from '../support/issuer.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

const other = '99999999-9999-4999-8999-999999999999';
const role = 'Calls.AccessMedia.All';
const ids = [
  tenant,
  app,
  bot,
  other,
  callingService,
  tenant.toUpperCase(),
  ` ${tenant}`,
  tenant.slice(1),
  `${app}\n`,
  '',
  null,
  7,
];
const id = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...ids) }, nearJson(['a'], ids));
/** What only other tokens have. */
const strange = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  fc.constantFrom({ scp: '' }, { scp: null }, { serviceurl: 'https://smba.example' }, { ServiceUrl: null }),
);
const claims: fc.Arbitrary<JWTPayload> = fc
  .tuple(
    fc.record(
      {
        tid: fc.oneof({ weight: 6, arbitrary: fc.constant(tenant) }, id),
        azp: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(app, callingService) }, id),
        appid: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(app, callingService) }, id),
        aud: fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(audience, bot) },
          fc.constantFrom([bot], [bot, other], 'https://api.botframework.com', 7),
        ),
        roles: fc.oneof(
          { weight: 3, arbitrary: fc.constant([role]) },
          fc.constantFrom(role, [role.toLowerCase()], [7, role], { 0: role }, [], null),
        ),
        exp: fc.constantFrom(2_000_000_000, 0, -1, 1e300),
        nbf: fc.constantFrom(1_999_999_700, 0, -1),
      },
      { requiredKeys: ['tid', 'aud'] },
    ),
    strange,
  )
  .map(([given, more]) => JSON.parse(JSON.stringify({ ...given, ...more })) as JWTPayload);

const lower = (value: unknown): string | null => (typeof value === 'string' ? value.toLowerCase() : null);
const isId = (value: unknown): boolean =>
  ids.slice(0, 6).map(lower).includes(lower(value)) && String(value).length === 36;

describe('whatever the claims of a token', () => {
  test('it is a caller’s only if it names one of the tenants, one application of the list, and a role', () => {
    const callers = readIssuer({
      issuer: 'https://issuer',
      audience,
      jwksUri: 'https://issuer/keys',
      tenants: [tenant],
      apps: [app.toUpperCase()],
    });
    let granted = 0;
    fc.assert(
      fc.property(claims, (given) => {
        const { azp, appid, roles } = given;
        const named = azp ?? appid;
        const expected =
          !('scp' in given) &&
          lower(given.tid) === tenant &&
          lower(named) === app &&
          (azp === undefined || appid === undefined || lower(appid) === app) &&
          Array.isArray(roles) &&
          roles.some((one) => lower(one) === role.toLowerCase());
        const judged = callers.judge(given, '');
        expect(judged.ok).toBe(expected);
        if (judged.ok) expect(judged.value).toEqual({ tenant, app });
        else expect(['TokenInvalid', 'TokenNotAllowed']).toContain(judged.reason);
        granted += Number(judged.ok);
      }),
      cases(),
    );
    expect(granted).toBeGreaterThan(ofLongRun(20));
  });

  test('it is a notification’s only if it is for the bot alone, by the calling service, and like no other token', () => {
    const notifying = readNotificationIssuer({
      issuer: 'https://issuer',
      audience: bot,
      jwksUri: 'https://issuer/keys',
    });
    let granted = 0;
    fc.assert(
      fc.property(claims, (given) => {
        const judged = notifying.judge(given, '');
        const strange = ['scp', 'serviceurl', 'ServiceUrl'].some((name) => name in given);
        if (judged.ok) {
          expect([strange, typeof given.aud, lower(given.azp ?? given.appid)]).toEqual([
            false,
            'string',
            callingService,
          ]);
          expect(isId(given.tid)).toBe(true);
          expect(judged.value).toEqual({ tenant: lower(given.tid), app: given.aud });
          if (given.nbf !== undefined) expect((given.exp ?? 0) - given.nbf).toBeLessThanOrEqual(7200);
        }
        if (strange) expect(notifying.instead?.(given)).toEqual(expect.any(String));
        granted += Number(judged.ok);
      }),
      cases(),
    );
    expect(granted).toBeGreaterThan(ofLongRun(20));
  });

  test('what they name is two GUIDs, or nothing', () => {
    fc.assert(
      fc.property(nearJson(['tid', 'azp', 'appid'], ids), (given) => {
        if (typeof given !== 'object' || given === null || Array.isArray(given)) return;
        const named = claimedBinding(given as Record<string, unknown>);
        if (named.ok)
          expect(`${named.value.tenant} ${named.value.app}`).toMatch(/^[0-9a-f-]{36} [0-9a-f-]{36}$/);
      }),
      cases(),
    );
  });
});

describe('whatever is in an Authorization header', () => {
  test('it is one token or none', () => {
    const header = edited(fc.constantFrom('Bearer aaaa.bbbb.cccc', 'bearer x', 'Basic eDp5'), [
      ' ',
      '\t',
      ',',
      'Bearer ',
      '=',
      '\r\n',
      '\0',
      'é',
    ]);
    fc.assert(
      fc.property(header, (text) => {
        const token = bearerToken(text);
        if (token.ok) expect(text.toLowerCase().replace(/^bearer +/, '')).toBe(token.value.toLowerCase());
        if (token.ok) expect(token.value).toMatch(/^[A-Za-z0-9._~+/=-]+$/);
      }),
      cases(),
    );
  });

  test('a Graph token that cannot be read names nobody', () => {
    const payload = edited(fc.constant(JSON.stringify({ tid: tenant, appid: app })), [
      '"',
      '{',
      '}',
      ':',
      ',',
      tenant,
      app,
      '\\u0000',
      'tid',
      'azp',
    ]);
    fc.assert(
      fc.property(payload, fc.constantFrom('', '.', 'x', 'x.y'), (text, end) => {
        const named = readGraphToken(`x.${Buffer.from(text).toString('base64url')}.${end}`);
        if (named === undefined) return;
        const read = JSON.parse(text) as Record<string, unknown>;
        expect(named).toEqual({ tenant: lower(read.tid), app: lower(read.azp ?? read.appid) });
      }),
      cases(),
    );
  });
});

describe('a token that is really signed', () => {
  let issuer: TestIssuer;
  let verifier: ReturnType<typeof createVerifier>;
  beforeAll(async () => {
    issuer = await startIssuer();
    verifier = createVerifier([{ issuer: issuer.issuer, audience, jwksUri: issuer.jwksUri }], {
      fetch: (url, init) => fetch(url, init),
    });
  });
  afterAll(async () => {
    verifier.close();
    await issuer.stop();
  });

  test('counts only with the claims of an application’s token, and in its time', async () => {
    const now = Math.floor(Date.now() / 1000);
    const mine = fc.record(
      {
        aud: fc.constantFrom(audience, [audience], [other, audience], other, '', 7, null),
        iss: fc.constantFrom('https://evil.example', '', null),
        exp: fc.constantFrom(now + 600, now - 600, 0, -1, 1e300, 'soon', null),
        nbf: fc.constantFrom(now - 600, now + 600, 'x', null),
        tid: fc.constantFrom(tenant, other, 'x', null),
        azp: fc.constantFrom(app, 'x', null),
        roles: fc.constantFrom([role], role, [], null),
        scp: fc.constant('x'),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(mine, async (given) => {
        const judged = await verifier.verify(await issuer.mint(given, { alg: 'ES256' }));
        const {
          aud = audience,
          iss = issuer.issuer,
          exp = now + 600,
          nbf = now,
          tid = tenant,
          azp = app,
          roles = [role],
        } = given;
        const expected =
          [aud].flat().includes(audience) &&
          iss === issuer.issuer &&
          typeof exp === 'number' &&
          exp > now &&
          typeof nbf === 'number' &&
          nbf <= now + 30 &&
          [tenant, other].includes(String(tid)) &&
          azp === app &&
          Array.isArray(roles) &&
          roles.includes(role) &&
          !('scp' in given);
        expect(judged.ok).toBe(expected);
      }),
      cases(1 / 10),
    );
  });

  test('counts for nothing once a byte of it is another', async () => {
    const token = await issuer.mint();
    const bytes = (text: string): string =>
      text
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString('hex'))
        .join('.');
    expect(await verifier.verify(token)).toMatchObject({ ok: true });
    const changed = edited(
      fc.constant(token),
      ['.', '=', '-', '_', 'A', 'eyJhbGciOiJub25lIn0', '+', '/', ' '],
      2,
    );
    await fc.assert(
      fc.asyncProperty(changed, async (text) => {
        const judged = await verifier.verify(text);
        if (judged.ok) expect(bytes(text)).toBe(bytes(token));
        else expect(judged.reason).toBe('TokenInvalid');
      }),
      cases(1 / 4),
    );
  });
});
