import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../../../src/core/call/evidence.ts';
import {
  type Revocation,
  revokedBy,
  type TokenFacts,
  tokenFacts,
} from '../../../../src/core/http/revoked-tokens.ts';

const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const app = 'c4d5e6f7-1a2b-4c3d-9e8f-0a1b2c3d4e5f';
const issuer = 'https://issuer.example/v2.0';
const claims = { jti: 'j-1', uti: 'u-1', sub: 's-1', iat: 1000 };

const factsOf = (more: Readonly<Record<string, unknown>> = {}, token = 'head.body.signature'): TokenFacts =>
  tokenFacts(token, { ...claims, ...more }, { issuer, tenant, app });
const isRevoked = (entry: Revocation, facts = factsOf()): boolean => revokedBy([entry])(facts);

describe('a token is revoked', () => {
  test.each<[string, Revocation]>([
    ['its hash', { hash: sha256('head.body') }],
    ['its hash in capitals', { hash: sha256('head.body').toUpperCase() }],
    ['its jti', { jti: 'j-1' }],
    ['its uti', { uti: 'u-1' }],
    ['its issuer', { issuer, issuedBefore: 1_000_001 }],
    ['its tenant, in any letter case', { tenant: tenant.toUpperCase(), issuedBefore: 1_000_001 }],
    ['its application', { app, issuedBefore: 1_000_001 }],
    ['its subject', { subject: 's-1', issuedBefore: 1_000_001 }],
    ['all of these', { issuer, tenant, app, subject: 's-1', issuedBefore: 1_000_001 }],
  ])('by %s', (_, entry) => {
    expect(isRevoked(entry)).toBe(true);
  });

  test.each<[string, Revocation]>([
    ['its own hash as a whole', { hash: sha256('head.body.signature') }],
    ['another jti', { jti: 'u-1' }],
    ['another uti', { uti: 'j-1' }],
    ['the moment of its issue', { app, issuedBefore: 1_000_000 }],
    ['another subject', { app, subject: 's-2', issuedBefore: 1_000_001 }],
    ['another issuer', { app, issuer: 'https://other.example', issuedBefore: 1_000_001 }],
    ['another tenant', { tenant: app, issuedBefore: 1_000_001 }],
    ['another application', { app: tenant, issuedBefore: 1_000_001 }],
  ])('not by %s', (_, entry) => {
    expect(isRevoked(entry)).toBe(false);
  });

  test('whatever signature is written below what was signed', () => {
    const entry = { hash: sha256('head.body') };
    expect(isRevoked(entry, factsOf({}, 'head.body.another'))).toBe(true);
  });

  test('if it does not say when it was issued, by any moment', () => {
    const silent = factsOf({ iat: undefined });
    expect(isRevoked({ app, issuedBefore: 1 }, silent)).toBe(true);
    expect(isRevoked({ app: tenant, issuedBefore: 1 }, silent)).toBe(false);
  });

  test('not by an entry about a claim that it does not have', () => {
    const bare = factsOf({ jti: undefined, uti: 7, sub: undefined });
    expect(isRevoked({ jti: 'undefined' }, bare)).toBe(false);
    expect(isRevoked({ uti: '7' }, bare)).toBe(false);
    expect(isRevoked({ subject: 's-1', issuedBefore: 2_000_000 }, bare)).toBe(false);
  });
});

test('an empty list revokes nothing', () => {
  expect(revokedBy([])(factsOf())).toBe(false);
});
