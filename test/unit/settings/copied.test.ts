import { describe, expect, test } from '@jest/globals';
import { loadSettings } from '../../../src/settings/settings.ts';
import { base, client, complaint, issuer, load, route, tenant } from '../../support/settings.ts';

const entra = (rest: string): string => `https://login.microsoftonline.com/${rest}`;
const withIssuer = (name: string): object => ({ TALLYLIGHT_ISSUERS: [{ ...issuer, issuer: name }] });

describe('a placeholder that was left in is refused, where it stands and without being quoted', () => {
  test.each<[string, object, string]>([
    [
      'an issuer',
      withIssuer(entra('<tenant>/v2.0')),
      'TALLYLIGHT_ISSUERS[0].issuer still has a placeholder in angle',
    ],
    [
      'an issuer in braces',
      withIssuer(entra('{tenant}/v2.0')),
      'TALLYLIGHT_ISSUERS[0].issuer still has a placeholder in braces',
    ],
    [
      'a key server',
      { TALLYLIGHT_ISSUERS: [{ ...issuer, jwksUri: entra('<tenant>/discovery/v2.0/keys') }] },
      'TALLYLIGHT_ISSUERS[0].jwksUri still has',
    ],
    [
      'an audience among others',
      { TALLYLIGHT_ISSUERS: [{ ...issuer, audience: ['api://x', '<client id of the proxy>'] }] },
      'TALLYLIGHT_ISSUERS[0].audience[1] still has',
    ],
    [
      'a client',
      { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, clientId: 'your-client-id' } },
      'TALLYLIGHT_GRAPH_CREDENTIAL.clientId still has a placeholder that begins with "your"',
    ],
    [
      'a secret',
      { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, clientSecret: '<secret>' } },
      'TALLYLIGHT_GRAPH_CREDENTIAL.clientSecret is a placeholder',
    ],
    [
      'a tenant',
      { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, tenant: '00000000-0000-0000-0000-000000000000' } },
      'TALLYLIGHT_GRAPH_CREDENTIAL.tenant still has an id of zeros',
    ],
    [
      'a variable',
      { TALLYLIGHT_PUBLIC_URL: 'https://${HOST}' },
      'TALLYLIGHT_PUBLIC_URL still has a variable',
    ],
    [
      'a password',
      { TALLYLIGHT_REDIS_URL: 'redis://:<password>@redis:6379' },
      'TALLYLIGHT_REDIS_URL still has',
    ],
    [
      'an upstream',
      { TALLYLIGHT_MEDIA_ROUTES: [{ ...route, upstream: 'http://<handler>:9000' }] },
      'TALLYLIGHT_MEDIA_ROUTES[0].upstream still has',
    ],
  ])('%s', (_, changes, says) => {
    const told = complaint(changes as Record<string, unknown>);
    expect(told.split('\n')).toHaveLength(2);
    expect(told).toContain(says);
    expect(told).not.toMatch(/<|tenant>|password/);
  });

  test('and names in braces stay where routes have them, secrets whatever they are', () => {
    expect(() =>
      load({
        TALLYLIGHT_MEDIA_ROUTES: [route],
        TALLYLIGHT_REDIS_URL: 'redis://:a%7Bb%7D@redis:6379',
        TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, clientSecret: 'x<abc>${y}your-secret' },
      }),
    ).not.toThrow();
  });
});

describe('an issuer of Entra', () => {
  test.each([
    entra(tenant),
    entra(`${tenant}/v2.0/`),
    entra('common/v2.0'),
    entra('contoso.example/v2.0'),
    entra(`${tenant.toUpperCase()}/v2.0`),
    `http://login.microsoftonline.com/${tenant}/v2.0`,
    `https://sts.windows.net/${tenant}`,
    `sts.windows.net/${tenant}/`,
    `https://login.windows.net/${tenant}/`,
  ])('that no token carries is refused: %s', (name) => {
    expect(complaint(withIssuer(name) as Record<string, unknown>)).toContain(
      'TALLYLIGHT_ISSUERS[0].issuer is at Microsoft Entra, but no token carries it',
    );
  });

  test.each([
    entra(`${tenant}/v2.0`),
    `https://sts.windows.net/${tenant}/`,
    `https://login.microsoftonline.us/${tenant}/v2.0`,
    'https://login.example',
    'http://127.0.0.1:8083',
    'kubernetes/serviceaccount',
  ])('or of somebody else that tokens carry is taken: %s', (name) => {
    expect(() => load(withIssuer(name) as Record<string, unknown>)).not.toThrow();
  });

  test('is https, and that of others too', () => {
    expect(complaint(withIssuer('http://login.example') as Record<string, unknown>)).toContain(
      'TALLYLIGHT_ISSUERS[0].issuer must be https',
    );
  });
});

test.each([
  ['TALLYLIGT_REDIS_URL', 'TALLYLIGHT_REDIS_URL'],
  ['TALYLIGHT_PORT', 'TALLYLIGHT_PORT'],
  ['TALLY_LIGHT_DRAIN_MS', 'TALLYLIGHT_DRAIN_MS'],
  ['TALLYLITE_REDIS_URL', 'TALLYLIGHT_REDIS_URL'],
])('%s is noticed although it does not begin like a setting', (name, nearest) => {
  expect(complaint({ [name]: 'x' })).toContain(`${name} is not a setting; the nearest is ${nearest}`);
});

test.each(['TALLY_HO', 'TALLYMAN_URL', 'REDIS_URL', 'PORT', 'TALLY_COUNT_MS'])(
  '%s is somebody else’s variable',
  (name) => {
    expect(() => load({ [name]: 'x' })).not.toThrow();
  },
);

test.each(['5s', '500 ms', '10MB', '2h'])('%s has a unit, which is said', (value) => {
  expect(complaint({ TALLYLIGHT_DRAIN_MS: value })).toContain(
    'TALLYLIGHT_DRAIN_MS must be a whole number from 0 to 60000, without a unit',
  );
});

describe('a request that would come back to the proxy', () => {
  test.each<[string, Record<string, unknown>, string]>([
    [
      'Graph at the public URL',
      { TALLYLIGHT_GRAPH_URL: 'https://tally.example', TALLYLIGHT_PUBLIC_URL: 'https://tally.example' },
      'TALLYLIGHT_GRAPH_URL is the address of the proxy itself',
    ],
    [
      'Graph at the listener',
      { TALLYLIGHT_GRAPH_URL: 'http://127.0.0.1:8080' },
      'TALLYLIGHT_GRAPH_URL is the address of the proxy itself',
    ],
    [
      'a handler at the listener',
      { TALLYLIGHT_MEDIA_ROUTES: [{ ...route, upstream: 'http://localhost:8080/x' }] },
      'TALLYLIGHT_MEDIA_ROUTES[0].upstream is the address of the proxy itself',
    ],
  ])('%s', (_, changes, says) => {
    expect(complaint(changes)).toContain(says);
  });

  test('does not where the port is another', () => {
    expect(() =>
      load({
        TALLYLIGHT_PORT: '8081',
        TALLYLIGHT_MEDIA_ROUTES: [{ ...route, upstream: 'http://127.0.0.1:8080' }],
      }),
    ).not.toThrow();
  });
});

test('guarantees of a store need a store', () => {
  expect(
    complaint({ TALLYLIGHT_REDIS_DURABILITY: 'require', TALLYLIGHT_REDIS_WAIT_REPLICAS: '1' }),
  ).toContain(
    'TALLYLIGHT_REDIS_URL is missing: it is required by TALLYLIGHT_REDIS_DURABILITY and TALLYLIGHT_REDIS_WAIT_REPLICAS',
  );
});

test('a secret file that holds a placeholder is refused', () => {
  const read = (): string => '<secret>\n';
  const credential = { tenant, clientId: 'client', clientSecretFile: 'secret' };
  expect(() =>
    loadSettings({ ...base, TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify(credential) }, read),
  ).toThrow('TALLYLIGHT_GRAPH_CREDENTIAL.clientSecretFile is a file that holds a placeholder');
});
