import { availableParallelism } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import type { ProxySettings } from '../../../src/settings/settings.ts';
import { base, client, complaint, issuer, load, tenant } from '../../support/settings.ts';

describe('single values', () => {
  test.each([
    ['TALLYLIGHT_PORT', '65536', 'must be a whole number from 0 to 65535'],
    ['TALLYLIGHT_PORT', '8080.5', 'must be a whole number'],
    ['TALLYLIGHT_PORT', ' 8080', 'must be a whole number'],
    ['TALLYLIGHT_PORT', '0x50', 'must be a whole number'],
    ['TALLYLIGHT_SESSION_TTL_MS', '299', 'must be a whole number from 300 to 60000'],
    ['TALLYLIGHT_SESSION_TTL_MS', '60001', 'must be a whole number from 300 to 60000'],
    ['TALLYLIGHT_DRAIN_MS', '60001', 'must be a whole number from 0 to 60000'],
    ['TALLYLIGHT_CALL_SILENCE_MS', '999', 'must be a whole number from 1000 to 86400000'],
    ['TALLYLIGHT_CALL_SILENCE_MS', '86400001', 'must be a whole number from 1000 to 86400000'],
    ['TALLYLIGHT_WITNESS_GRACE_MS', '-1', 'must be a whole number from 0 to 3600000'],
    ['TALLYLIGHT_WITNESS_GRACE_MS', '3600001', 'must be a whole number from 0 to 3600000'],
    ['TALLYLIGHT_CALLBACK_URL', 'https://tallylight.example/api', 'without a path'],
    ['TALLYLIGHT_GRAPH_TIMEOUT_MS', '0', 'must be a whole number from 100 to 60000'],
    ['TALLYLIGHT_HOST', '[::1]', 'must be a host name or an IP address, without brackets'],
    ['TALLYLIGHT_HOST', '127.0.0.1:80', 'must be a host name or an IP address, without brackets'],
    ['TALLYLIGHT_HOST', '127.0.0', 'must be a host name or an IP address, without brackets'],
    ['TALLYLIGHT_LOG_LEVEL', 'verbose', 'must be "trace" or "debug" or "info"'],
    ['TALLYLIGHT_CONTROL_AUTH', 'none', 'must be "jwt" or "graph"'],
    ['TALLYLIGHT_OPAQUE_GRAPH_TOKENS', 'yes', 'must be "refuse" or "allow"'],
    ['TALLYLIGHT_EVIDENCE_DIR', '', 'is empty: give it a value, or leave it out'],
    ['TALLYLIGHT_PUBLIC_URL', 'tallylight.example', 'must be an http or https origin'],
    ['TALLYLIGHT_PUBLIC_URL', 'https://tallylight.example/base', 'without a path'],
    ['TALLYLIGHT_PUBLIC_URL', 'https://tallylight.example/?', 'must be an http or https origin'],
    ['TALLYLIGHT_PUBLIC_URL', 'https://user@tallylight.example', 'must be an http or https origin'],
    [
      'TALLYLIGHT_GRAPH_URL',
      'https://graph.microsoft.com/v1.0',
      'without /v1.0: the version comes with each request',
    ],
    [
      'TALLYLIGHT_GRAPH_URL',
      'https://graph.microsoft.com/beta/',
      'without /beta: the version comes with each request',
    ],
    ['TALLYLIGHT_GRAPH_URL', 'https://graph.microsoft.com/path', 'without a path'],
    ['TALLYLIGHT_GRAPH_URL', 'http://graph.microsoft.com', 'must be https, or http to a loopback address'],
    ['TALLYLIGHT_GRAPH_URL', 'http://127.0.0.1.evil.example', 'must be https, or http to a loopback address'],
    ...['0', '257', '-1', '2.0', '1e2', ' 2', 'Auto', 'all'].map((given) => [
      'TALLYLIGHT_WORKERS',
      given,
      'must be "auto" or a whole number from 1 to 256',
    ]),
    ['TALLYLIGHT_WORKER_LEAVE_MS', '86400001', 'must be a whole number from 0 to 86400000'],
    ['TALLYLIGHT_REDIS_URL', 'http://localhost', 'must begin with redis://'],
    ['TALLYLIGHT_REDIS_URL', 'redis:///0', 'and name a host'],
    ['TALLYLIGHT_REDIS_URL', 'redis://:se/cret@localhost', 'has a "/" in its user name or password'],
    ...[
      'TALLYLIGHT_REDIS_URL',
      'TALLYLIGHT_GRAPH_URL',
      'TALLYLIGHT_LOG_LEVEL',
      'TALLYLIGHT_EVIDENCE_DIR',
    ].map((name) => [name, 'value\n', 'ends with a line break, probably read from a file']),
    ['TALLYLIGHT_REDIS_URL', 'rediss+sentinel://localhost/main', 'must begin with redis://'],
  ])('%s=%s is refused', (name, value, expected) => {
    const text = complaint({ [name]: value });
    expect(text).toContain(`\n  ${name} `);
    expect(text).toContain(expected);
  });

  test.each([
    ['http://localhost:9999', 'http://localhost:9999'],
    ['http://127.1.2.3', 'http://127.1.2.3'],
    ['http://[::1]:80/', 'http://[::1]'],
    ['HTTPS://Graph.Microsoft.US', 'https://graph.microsoft.us'],
  ])('Graph may be at %s', (given, origin) => {
    expect(load({ TALLYLIGHT_GRAPH_URL: given }).graphUrl).toBe(origin);
  });

  test.each([
    'redis://:secret@localhost:6379/2',
    'rediss://localhost',
    'redis+cluster://a:1,b:2',
    'rediss+cluster://a:1,b:2',
    'redis+sentinel://a:1,b:2/main',
  ])('the store may be at %s', (url) => {
    expect(load({ TALLYLIGHT_REDIS_URL: url }).redisUrl).toBe(url);
  });

  test('one worker is this process; more, and auto, need a store that they share', () => {
    const store = { TALLYLIGHT_REDIS_URL: 'redis://localhost' };
    expect(load({}).workers).toBeUndefined();
    expect(load({ TALLYLIGHT_WORKERS: '1' }).workers).toBeUndefined();
    expect(load({ ...store, TALLYLIGHT_WORKERS: '4' }).workers).toEqual({ count: 4, leaveMs: 300_000 });
    expect(load({ ...store, TALLYLIGHT_WORKERS: '2', TALLYLIGHT_WORKER_LEAVE_MS: '0' }).workers).toEqual({
      count: 2,
      leaveMs: 0,
    });
    expect(load({ ...store, TALLYLIGHT_WORKERS: 'auto' }).workers?.count ?? 1).toBe(availableParallelism());
    for (const given of ['2', 'auto'])
      expect(complaint({ TALLYLIGHT_WORKERS: given })).toMatch(
        /TALLYLIGHT_REDIS_URL is missing: TALLYLIGHT_WORKERS/,
      );
  });
});

describe('Graph credentials', () => {
  const one = (credential: object): ProxySettings['graphCredentials'][number] | undefined =>
    load({ TALLYLIGHT_GRAPH_CREDENTIAL: credential }).graphCredentials[0];
  const rest = { clientId: 'client', clientSecret: 'hunter2!' };
  const elsewhere = { ...rest, tokenEndpoint: 'https://login.example/token' };
  const keyed = { tenant, clientId: 'client', privateKeyFile: 'key' };

  test('may be one or a list', () => {
    const { graphCredentials } = load({ TALLYLIGHT_GRAPH_CREDENTIAL: [client, elsewhere] });
    expect(graphCredentials.map(({ tokenEndpoint }) => tokenEndpoint)).toEqual([
      `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
      'https://login.example/token',
    ]);
  });

  test('take a secret from a file, without the line break at its end', () => {
    const noSecret = { tenant, clientId: 'client' };
    expect(one({ ...noSecret, clientSecretFile: 'secret' })?.clientSecret).toBe('from a file');
  });

  test('take a key, its certificate and what a token endpoint needs to know of them', () => {
    const given = { ...keyed, certificateFile: 'cert', keyId: 'k1', algorithm: 'ES256', scope: 's' };
    expect(one({ ...given, tenants: [tenant.toUpperCase()], apps: [tenant] })).toEqual({
      tokenEndpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
      clientId: 'client',
      scope: 's',
      privateKey: { pem: 'the key', algorithm: 'ES256', keyId: 'k1', certificatePem: 'the certificate' },
      tenants: [tenant],
      apps: [tenant],
    });
    expect(one(keyed)).toEqual({
      tokenEndpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
      clientId: 'client',
      privateKey: { pem: 'the key' },
    });
  });

  test('take a federated token from the file that is named, or else from the one of the platform', () => {
    const federated = { tenant, clientId: 'client' };
    expect(one({ ...federated, federatedTokenFile: 'secret' })).toEqual({
      tokenEndpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
      clientId: 'client',
      federatedTokenFile: 'secret',
    });
    const onAks = (file: string, credential: object = federated) => ({
      AZURE_FEDERATED_TOKEN_FILE: file,
      TALLYLIGHT_GRAPH_CREDENTIAL: credential,
    });
    expect(load(onAks('secret')).graphCredentials[0]?.federatedTokenFile).toBe('secret');
    const named = { ...federated, federatedTokenFile: 'key' };
    expect(load(onAks('secret', named)).graphCredentials[0]?.federatedTokenFile).toBe('key');
    // Another proof that is given stays the proof.
    expect(load(onAks('secret', client)).graphCredentials[0]).not.toHaveProperty('federatedTokenFile');
    const gone = complaint(onAks('gone'));
    expect(gone).toContain(
      'TALLYLIGHT_GRAPH_CREDENTIAL takes its federated token from AZURE_FEDERATED_TOKEN_FILE, which names a file that cannot be read (ENOENT)',
    );
    expect(gone).not.toContain('gone');
  });

  test('name applications by their ids, or together with their tenant', () => {
    const pair = `${tenant}/${tenant}`;
    expect(one({ ...client, apps: [tenant.toUpperCase(), pair.toUpperCase()] })?.apps).toEqual([
      tenant,
      pair,
    ]);
    for (const app of ['bot', `${tenant}/`, `/${tenant}`, `${pair}/${tenant}`, `${tenant} ${tenant}`])
      expect(complaint({ TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, apps: [app] } })).toContain(
        'TALLYLIGHT_GRAPH_CREDENTIAL.apps[0] must be the id of an application',
      );
  });

  test.each<[string, unknown, string]>([
    ['no place to ask', rest, ' must have either "tenant" or "tokenEndpoint"'],
    ['two places to ask', { ...client, ...elsewhere }, ' must have either "tenant" or "tokenEndpoint"'],
    [
      'a tenant that is none',
      { ...client, tenant: 'common' },
      '.tenant must be the id or a domain of one tenant',
    ],
    [
      'a tenant that is a path',
      { ...client, tenant: '../x' },
      '.tenant must be the id or a domain of one tenant',
    ],
    [
      'a place in the clear',
      { ...elsewhere, tokenEndpoint: 'http://login.example' },
      '.tokenEndpoint must be a URL and must be https',
    ],
    [
      'no secret',
      { tenant, clientId: 'c' },
      ' must have exactly one of clientSecret, clientSecretFile, privateKeyFile, federatedTokenFile',
    ],
    [
      'a secret with the line break of its file',
      { ...client, clientSecret: 'hunter2!\n' },
      '.clientSecret ends with a line break, probably read from a file',
    ],
    [
      'a secret with a blank before it',
      { ...client, clientSecret: ' hunter2!' },
      '.clientSecret begins or ends with white space',
    ],
    [
      'a secret in a file with two line breaks',
      { tenant, clientId: 'c', clientSecretFile: 'wide secret' },
      '.clientSecretFile is a file whose content ends with a line break',
    ],
    ['two secrets', { ...client, privateKeyFile: 'key' }, ' must have exactly one of clientSecret'],
    [
      'a certificate without a key',
      { ...client, certificateFile: 'cert' },
      '.certificateFile is only allowed together with "privateKeyFile"',
    ],
    [
      'a secret and a federated token',
      { ...client, federatedTokenFile: 'secret' },
      ' must have exactly one of clientSecret',
    ],
    [
      'a federated token that is not there',
      { tenant, clientId: 'c', federatedTokenFile: 'gone' },
      '.federatedTokenFile names a file that cannot be read (ENOENT)',
    ],
    [
      'a federated token that is empty',
      { tenant, clientId: 'c', federatedTokenFile: 'empty' },
      '.federatedTokenFile is an empty file',
    ],
    [
      'a key that is not there',
      { ...keyed, privateKeyFile: 'gone' },
      '.privateKeyFile names a file that cannot be read (ENOENT)',
    ],
    ['a key that is empty', { ...keyed, privateKeyFile: 'empty' }, '.privateKeyFile is an empty file'],
    [
      'a certificate that is not there',
      { ...keyed, certificateFile: 'gone' },
      '.certificateFile names a file that cannot be read',
    ],
    [
      'a weak algorithm',
      { ...keyed, algorithm: 'HS256' },
      '.algorithm must be "RS256" or "PS256" or "ES256"',
    ],
    ['nobody', { ...client, tenants: [] }, '.tenants must not be empty: omit it to allow all'],
    ['a second that is wrong', [client, { tenant }], '[1].clientId is missing'],
    [
      'a second whose file is gone',
      [client, { ...keyed, privateKeyFile: 'gone' }],
      '[1].privateKeyFile names a file',
    ],
    ['an empty list', [], ' must not be empty'],
    ['text', '"client"', ' must be a list'],
    ['nothing', 'null', ' is empty: give it a value'],
  ])('are refused with %s', (_name, given, expected) => {
    expect(complaint({ TALLYLIGHT_GRAPH_CREDENTIAL: given })).toContain(
      `\n  TALLYLIGHT_GRAPH_CREDENTIAL${expected}`,
    );
  });
});

describe('issuers', () => {
  const full = { ...issuer, audience: ['a', 'b'], apps: [tenant], roles: [], algorithms: ['PS512'] };

  test('say whose tokens are accepted, and for whom', () => {
    const { issuers } = load({ TALLYLIGHT_ISSUERS: [issuer, { ...full, tenants: [tenant.toUpperCase()] }] });
    expect(issuers).toEqual([issuer, { ...full, tenants: [tenant] }]);
  });

  test.each<[string, unknown, string]>([
    ['one without a list', issuer, ' must be a list'],
    ['an empty list', [], ' must not be empty'],
    ['no audience', [{ ...issuer, audience: undefined }], '[0].audience must be text or a list of texts'],
    ['an empty audience', [{ ...issuer, audience: [] }], '[0].audience must not be empty'],
    [
      'keys in the clear',
      [{ ...issuer, jwksUri: 'http://login.example' }],
      '[0].jwksUri must be a URL and must be https',
    ],
    ['a symmetric algorithm', [{ ...issuer, algorithms: ['HS256'] }], '[0].algorithms[0] must be "RS256" or'],
    ['a tenant that is no GUID', [{ ...issuer, tenants: ['x'] }], '[0].tenants[0] must be a GUID'],
    [
      'an unknown key',
      [{ ...issuer, role: [] }],
      '[0].role is not known here; allowed: issuer, audience, jwksUri',
    ],
    [
      'a key twice',
      '[{"issuer":"a","issuer":"b"}]',
      ' is not valid YAML or JSON (duplicate key) at line 1, column 16 of its value',
    ],
    ['broken JSON', '[{\n  a', ' is not valid YAML or JSON'],
  ])('are refused with %s', (_name, given, expected) => {
    expect(complaint({ TALLYLIGHT_ISSUERS: given })).toContain(`\n  TALLYLIGHT_ISSUERS${expected}`);
  });
});

test('no message shows a secret, wherever it was put', () => {
  const secret = 'hunter2!';
  const attempts: Readonly<Record<string, unknown>>[] = [
    ...Object.keys(base).map((name) => ({ [name]: secret })),
    { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, clientId: 5 } },
    { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, clientSecretFile: secret } },
    { TALLYLIGHT_GRAPH_CREDENTIAL: { tenant, clientId: 'c', clientSecretFile: secret } },
    { TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, tenant: secret } },
    { TALLYLIGHT_GRAPH_CREDENTIAL: `{tenant: ${tenant}, clientId: c, clientSecret:${secret}}` },
    { TALLYLIGHT_GRAPH_CREDENTIAL: `{clientSecret: *${secret}}` },
    { TALLYLIGHT_GRAPH_CREDENTIAL: `{clientSecret: !${secret} x}` },
    { TALLYLIGHT_GRAPH_CREDENTIAL: `{"clientSecret": "${secret}` },
    { TALLYLIGHT_REDIS_URL: `http://:${secret}@localhost` },
    { TALLYLIGHT_PUBLIC_URL: `https://:${secret}@localhost` },
    { TALLYLIGHT_LOG_LEVEL: secret },
    { TALLYLIGHT_TLS_KEY_FILE: secret },
    { TALLYLIGHT_CONFIG: secret },
    { [`TALLYLIGHT_${secret}`]: 'x' },
  ].filter((attempt) => !('TALLYLIGHT_EVIDENCE_DIR' in attempt));
  expect(attempts).toHaveLength(18);
  for (const attempt of attempts) expect(complaint(attempt)).not.toContain(secret);
});

describe('the largest times that the operator allows', () => {
  test('are those of the instance where none are given', () => {
    expect(load({ TALLYLIGHT_SESSION_TTL_MS: '700', TALLYLIGHT_GRAPH_TIMEOUT_MS: '800' })).toMatchObject({
      sessionTtlMaxMs: 700,
      graphTimeoutMaxMs: 800,
    });
    expect(
      load({ TALLYLIGHT_SESSION_TTL_MAX_MS: '9000', TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS: '20000' }),
    ).toMatchObject({ sessionTtlMaxMs: 9000, graphTimeoutMaxMs: 20_000 });
  });

  test.each([
    ['TALLYLIGHT_SESSION_TTL_MAX_MS', '4999'],
    ['TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS', '9999'],
  ])('must not be smaller than the own (%s)', (name, value) => {
    expect(() => load({ [name]: value })).toThrow(`${name} is smaller than`);
  });
});
