import { describe, expect, test } from '@jest/globals';
import { complaint, load, tenant } from '../../support/settings.ts';

const objectId = '77777777-8888-4999-8AAA-BBBBBBBBBBBB';
const onAks = { clientId: 'client', objectId, tenantId: tenant };
const entra = { ...onAks, federatedTokenFile: 'secret' };
const secure = { TALLYLIGHT_REDIS_URL: 'rediss+cluster://redis.example:10000' };

test('an identity is told by its ids; its token is in a file, or where the platform says', () => {
  const expected = {
    tokenEndpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
    clientId: 'client',
    objectId: objectId.toLowerCase(),
    federatedTokenFile: 'secret',
  };
  expect(load({ ...secure, TALLYLIGHT_REDIS_ENTRA: entra }).redisEntra).toEqual(expected);
  const platform = { AZURE_FEDERATED_TOKEN_FILE: 'secret', TALLYLIGHT_REDIS_ENTRA: onAks };
  expect(load({ ...secure, ...platform }).redisEntra).toEqual(expected);
  const elsewhere = { clientId: 'client', objectId, federatedTokenFile: 'secret' };
  const tokenEndpoint = 'https://login.microsoftonline.us/t/oauth2/v2.0/token';
  expect(load({ ...secure, TALLYLIGHT_REDIS_ENTRA: { ...elsewhere, tokenEndpoint } }).redisEntra).toEqual({
    ...expected,
    tokenEndpoint,
  });
  expect(load(secure).redisEntra).toBeUndefined();
});

describe('what is refused', () => {
  test.each<[string, object, object, string]>([
    [
      'without a store',
      entra,
      {},
      'TALLYLIGHT_REDIS_URL is missing: it is required by TALLYLIGHT_REDIS_ENTRA',
    ],
    ...['redis://redis.example', 'redis+cluster://a:1,b:2', 'redis+sentinel://a:1/main'].map(
      (url): [string, object, object, string] => [
        `without TLS: ${url}`,
        entra,
        { TALLYLIGHT_REDIS_URL: url },
        'must begin with rediss:// or rediss+cluster://',
      ],
    ),
    [
      'beside a password',
      entra,
      { TALLYLIGHT_REDIS_URL: 'rediss://:hunter2@redis.example' },
      'must not have a user name or a password with TALLYLIGHT_REDIS_ENTRA',
    ],
    [
      'an object that is none',
      { ...entra, objectId: 'me' },
      secure,
      'TALLYLIGHT_REDIS_ENTRA.objectId must be a GUID',
    ],
    [
      'no tenant',
      { ...entra, tenantId: undefined },
      secure,
      'must have either "tenantId" or "tokenEndpoint"',
    ],
    [
      'a tenant that is many',
      { ...entra, tenantId: 'common' },
      secure,
      '.tenantId must be the id or a domain',
    ],
    [
      'no token',
      { ...entra, federatedTokenFile: undefined },
      secure,
      'TALLYLIGHT_REDIS_ENTRA must have "federatedTokenFile": AZURE_FEDERATED_TOKEN_FILE is not set',
    ],
    [
      'a token that is not there',
      { ...entra, federatedTokenFile: 'gone' },
      secure,
      'TALLYLIGHT_REDIS_ENTRA.federatedTokenFile names a file that cannot be read (ENOENT)',
    ],
    [
      'a secret',
      { ...entra, clientSecret: 'hunter2' },
      secure,
      'TALLYLIGHT_REDIS_ENTRA.clientSecret is not known',
    ],
  ])('%s', (_, given, others, what) => {
    const text = complaint({ ...others, TALLYLIGHT_REDIS_ENTRA: given });
    expect(text).toContain(what);
    expect(text).not.toContain('hunter2');
  });
});
