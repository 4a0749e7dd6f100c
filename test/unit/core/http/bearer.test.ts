import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bearerToken, readGraphToken } from '../../../../src/core/http/bearer.ts';
import { grant } from '../../../../src/core/decision.ts';

const tid = 'AAAAAAAA-1111-4111-8111-111111111111';
const appid = 'BBBBBBBB-2222-4222-8222-222222222222';
const other = 'cccccccc-3333-4333-8333-333333333333';
const binding = { tenant: tid.toLowerCase(), app: appid.toLowerCase() };

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenWith = (claims: unknown): string => `${encode({ alg: 'RS256' })}.${encode(claims)}.c2ln`;

describe('the Authorization header', () => {
  test.each(['Bearer abc.DEF-_~+/12==', 'bearer abc.DEF-_~+/12==', 'BEARER   abc.DEF-_~+/12=='])(
    '%j holds a token',
    (header) => expect(bearerToken(header)).toEqual(grant('abc.DEF-_~+/12==')),
  );

  test.each([undefined, ''])('%j holds none', (header) =>
    expect(bearerToken(header)).toRefuse('TokenMissing'),
  );

  test('of the proxy alone is named where it is missing or wrong', () => {
    const name = 'Tallylight-Authorization';
    expect(bearerToken('Bearer abc', name)).toEqual(grant('abc'));
    expect(bearerToken(undefined, name)).toMatchObject({
      reason: 'TokenMissing',
      detail: `send it in ${name}`,
    });
    expect(bearerToken('SharedKey a:b', name)).toMatchObject({
      reason: 'TokenInvalid',
      detail: `the ${name} header field is not "Bearer" followed by one token`,
    });
  });

  test.each([
    'Bearer',
    'Bearer ',
    'Bearerabc',
    'Basic dTpw',
    'Bearer a b',
    'Bearer a, Bearer b',
    'Bearer a=b',
    'Bearer\ta',
    ' Bearer a',
    'Bearer a\n',
    'Bearer "a"',
    'Bearer ä',
    'Negotiate Bearer a',
  ])('%j is not one bearer token', (header) => expect(bearerToken(header)).toRefuse('TokenInvalid'));
});

describe('reading a Graph token', () => {
  test.each([
    ['version 1.0', { tid, appid }],
    ['version 2.0', { tid, azp: appid }],
    ['both names for one application', { tid, appid, azp: appid.toLowerCase() }],
  ])('%s names tenant and application in lower case', (_, claims) => {
    expect(readGraphToken(tokenWith(claims))).toEqual(binding);
  });

  test.each<[string, unknown]>([
    ['no tenant', { appid }],
    ['no application', { tid }],
    ['two applications', { tid, appid, azp: other }],
    ['an application that is not a GUID beside one that is', { tid, azp: appid, appid: 'x' }],
    ['a tenant that is not a GUID', { tid: 'contoso.com', appid }],
    ['a GUID with something behind it', { tid: `${tid}\n`, appid }],
    ['a list of tenants', { tid: [tid], appid }],
    ['claims that are a list', [tid, appid]],
    ['claims that are null', null],
  ])('%s: it binds nothing', (_, claims) => expect(readGraphToken(tokenWith(claims))).toBeUndefined());

  test.each([
    ['opaque', 'EwBgA8l6BAAU'],
    ['encrypted, with five parts', `${tokenWith({ tid, appid })}.x.y`],
    ['cut off', tokenWith({ tid, appid }).replace(/\.c2ln$/, '')],
    ['not JSON', 'e30.bm90IGpzb24.c2ln'],
  ])('a token that is %s cannot be read', (_, token) => expect(readGraphToken(token)).toBeUndefined());

  test('whatever is given, it never throws', () => {
    const garbage = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.string(), fc.string(), fc.string()).map((parts) => parts.join('.')),
      fc.json().map((json) => `e30.${Buffer.from(json).toString('base64url')}.x`),
      fc
        .record({ tid: fc.anything(), appid: fc.anything(), azp: fc.anything() }, { requiredKeys: [] })
        .map((claims) => `e30.${Buffer.from(fc.stringify(claims)).toString('base64url')}.x`),
      fc.nat(20_000).map((depth) => `e30.${Buffer.from('['.repeat(depth)).toString('base64url')}.x`),
    );
    fc.assert(fc.property(garbage, (token) => readGraphToken(token) === undefined));
    fc.assert(fc.property(garbage, (header) => typeof bearerToken(header).ok === 'boolean'));
  });

  test('a well-formed pair of GUIDs is always read', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), fc.boolean(), (tenant, app, upper) => {
        const spell = (id: string): string => (upper ? id.toUpperCase() : id);
        expect(readGraphToken(tokenWith({ tid: spell(tenant), azp: spell(app) }))).toEqual({ tenant, app });
      }),
    );
  });
});
