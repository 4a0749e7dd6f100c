import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { messageOf } from '../../../src/core/errors.ts';
import { loadSettings, type ProxySettings } from '../../../src/settings/settings.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';

const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const issuer = {
  issuer: 'https://login.example/tenant/v2.0',
  audience: 'api://tallylight',
  jwksUri: 'https://login.example/keys',
};
const credential = { tenant, clientId: 'client', clientSecret: 'hunter2!' };
const route = { path: '/media/{callId}/*', upstream: 'http://store:9000' };

type Env = Readonly<Record<string, string>>;

/** The least that a proxy needs. */
const proxy = {
  TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
  TALLYLIGHT_CONTROL_AUTH: 'graph',
  TALLYLIGHT_EVIDENCE_DIR: '/var/lib/tallylight',
};
const jwt = {
  ...proxy,
  TALLYLIGHT_CONTROL_AUTH: 'jwt',
  TALLYLIGHT_ISSUERS: JSON.stringify([issuer]),
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify(credential),
};

const without = (env: Env, name: string): Env =>
  Object.fromEntries(Object.entries(env).filter(([each]) => each !== name));

function reader(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return text;
  };
}

function load(env: Env, files: Readonly<Record<string, string>> = {}) {
  return loadSettings(env, reader(files));
}

function loadProxy(env: Env, files: Readonly<Record<string, string>> = {}): ProxySettings {
  const settings = load(env, files);
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

/** The complaints, one per line. */
function complaints(env: Env, files: Readonly<Record<string, string>> = {}): string[] {
  try {
    load(env, files);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    const [head, ...rest] = messageOf(error).split('\n  ');
    expect(head).toBe('the settings are not valid:');
    return rest;
  }
  throw new Error('the settings were accepted');
}

describe('the sandbox', () => {
  test('is what starts without any setting, on loopback', () => {
    expect(load({ PATH: '/bin' })).toEqual({
      mode: 'sandbox',
      host: '127.0.0.1',
      port: 8080,
      adminPort: 9090,
      console: { port: 8085, host: '127.0.0.1', hosts: [], issuers: [] },
      graphTimeoutMs: 10_000,
      sessionTtlMs: 5000,
      sessionTtlMaxMs: 5000,
      graphTimeoutMaxMs: 10_000,
      drainMs: 5000,
      callSilenceMs: 3_000_000,
      witnessGraceMs: 30_000,
      limits: defaultLimits,
      logLevel: 'info',
      accessLog: false,
    });
  });

  test('takes the settings that have a meaning in it', () => {
    const settings = load({
      TALLYLIGHT_HOST: '::1',
      TALLYLIGHT_PORT: '0',
      TALLYLIGHT_ADMIN_PORT: '0',
      TALLYLIGHT_PUBLIC_URL: 'http://localhost:8080',
      TALLYLIGHT_GRAPH_TIMEOUT_MS: '2000',
      TALLYLIGHT_REDIS_URL: 'redis://localhost',
      TALLYLIGHT_EVIDENCE_DIR: 'evidence',
      TALLYLIGHT_POLICY_DIR: 'rules',
      TALLYLIGHT_SESSION_TTL_MS: '300',
      TALLYLIGHT_DRAIN_MS: '0',
      TALLYLIGHT_CALL_SILENCE_MS: '1000',
      TALLYLIGHT_WITNESS_GRACE_MS: '0',
      TALLYLIGHT_MAX_UPLOADS: '7',
      TALLYLIGHT_LOG_LEVEL: 'silent',
      TALLYLIGHT_ACCESS_LOG: 'on',
      TALLYLIGHT_SANDBOX_DIR: 'here',
      TALLYLIGHT_SANDBOX_BOT: 'http://localhost:9441/api/calling',
    });
    expect(settings).toEqual({
      mode: 'sandbox',
      host: '::1',
      port: 0,
      adminPort: 0,
      console: { port: 0, host: '127.0.0.1', hosts: [], issuers: [] },
      publicUrl: 'http://localhost:8080',
      graphTimeoutMs: 2000,
      redisUrl: 'redis://localhost',
      redisDurability: 'warn',
      redisNoEviction: 'check',
      redisWaitReplicas: 0,
      evidenceDir: 'evidence',
      policyDir: 'rules',
      sessionTtlMs: 300,
      sessionTtlMaxMs: 300,
      graphTimeoutMaxMs: 2000,
      drainMs: 0,
      callSilenceMs: 1000,
      witnessGraceMs: 0,
      limits: { ...defaultLimits, maxUploads: 7 },
      logLevel: 'silent',
      accessLog: true,
      sandboxDir: 'here',
      sandboxBot: 'http://localhost:9441/api/calling',
    });
  });

  test.each([
    ['TALLYLIGHT_GRAPH_CREDENTIAL', jwt.TALLYLIGHT_GRAPH_CREDENTIAL],
    ['TALLYLIGHT_ISSUERS', jwt.TALLYLIGHT_ISSUERS],
    ['TALLYLIGHT_MEDIA_ROUTES', JSON.stringify([route])],
    ['TALLYLIGHT_CALLBACKS', '[{"path":"/api/calling","upstream":"http://bot"}]'],
    ['TALLYLIGHT_CALLBACK_URL', 'https://tallylight.example'],
    ['TALLYLIGHT_CONTROL_AUTH', 'jwt'],
    ['TALLYLIGHT_OPAQUE_GRAPH_TOKENS', 'allow'],
  ])('does not start by mistake when %s shows that a proxy was meant', (name, value) => {
    expect(complaints({ [name]: value })).toEqual([
      `TALLYLIGHT_GRAPH_URL is missing: without it the sandbox would start, which does not use ${name}`,
    ]);
  });

  test('does not start when the address of Graph was not filled in', () => {
    expect(complaints({ ...proxy, TALLYLIGHT_GRAPH_URL: '' })).toEqual([
      'TALLYLIGHT_GRAPH_URL is empty: give it a value, or leave it out',
    ]);
  });

  test('stays on loopback', () => {
    expect(complaints({ TALLYLIGHT_HOST: '0.0.0.0' })).toEqual([
      expect.stringContaining('TALLYLIGHT_HOST must be a loopback address in the sandbox'),
    ]);
  });
});

describe('a proxy', () => {
  test('in graph mode needs Graph, a place for evidence, and no credential', () => {
    expect(load(proxy)).toMatchObject({
      mode: 'proxy',
      graphUrl: 'https://graph.microsoft.com',
      controlAuth: 'graph',
      opaqueGraphTokens: 'refuse',
      evidenceDir: '/var/lib/tallylight',
      issuers: [],
      graphCredentials: [],
      mediaRoutes: [],
      callbacks: [],
      notificationIssuers: [],
      trustedProxies: [],
    });
  });

  test('in jwt mode has issuers and a credential', () => {
    expect(loadProxy(jwt)).toMatchObject({
      controlAuth: 'jwt',
      issuers: [issuer],
      graphCredentials: [
        {
          tokenEndpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
          clientId: 'client',
          clientSecret: 'hunter2!',
        },
      ],
    });
  });

  test.each<[string, Env, string]>([
    [
      'a way for bots to prove themselves',
      without(proxy, 'TALLYLIGHT_CONTROL_AUTH'),
      'TALLYLIGHT_CONTROL_AUTH is missing: set "jwt" (',
    ],
    [
      'a place for evidence',
      without(proxy, 'TALLYLIGHT_EVIDENCE_DIR'),
      'TALLYLIGHT_EVIDENCE_DIR is missing: set the directory to which evidence is written',
    ],
    [
      'issuers in jwt mode',
      without(jwt, 'TALLYLIGHT_ISSUERS'),
      'TALLYLIGHT_ISSUERS is missing: with TALLYLIGHT_CONTROL_AUTH=jwt',
    ],
    [
      'a credential in jwt mode',
      without(jwt, 'TALLYLIGHT_GRAPH_CREDENTIAL'),
      'TALLYLIGHT_GRAPH_CREDENTIAL is missing: with TALLYLIGHT_CONTROL_AUTH=jwt',
    ],
    [
      'issuers for media, whatever the mode',
      { ...proxy, TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([route]) },
      'TALLYLIGHT_ISSUERS is missing: media is never accepted without authentication',
    ],
    [
      'the key of a certificate',
      { ...proxy, TALLYLIGHT_TLS_CERT_FILE: 'c' },
      'TALLYLIGHT_TLS_KEY_FILE is missing',
    ],
    [
      'the certificate of a key',
      { ...proxy, TALLYLIGHT_TLS_KEY_FILE: 'c' },
      'TALLYLIGHT_TLS_CERT_FILE is missing',
    ],
    [
      'two ports',
      { ...proxy, TALLYLIGHT_PORT: '9090' },
      'TALLYLIGHT_PORT and TALLYLIGHT_ADMIN_PORT are the same',
    ],
    [
      'no place for a sandbox',
      { ...proxy, TALLYLIGHT_SANDBOX_DIR: 'x' },
      'TALLYLIGHT_SANDBOX_DIR is only for the sandbox',
    ],
  ])('needs %s', (_name, env, expected) => {
    expect(complaints(env, { c: 'pem' })).toEqual([expect.stringContaining(expected)]);
  });

  test('may take any two free ports', () => {
    expect(load({ ...proxy, TALLYLIGHT_PORT: '0', TALLYLIGHT_ADMIN_PORT: '0' })).toMatchObject({
      port: 0,
      adminPort: 0,
    });
  });

  describe('beyond loopback', () => {
    const open = { ...proxy, TALLYLIGHT_HOST: '0.0.0.0' };
    const tls = { TALLYLIGHT_TLS_CERT_FILE: '/c.pem', TALLYLIGHT_TLS_KEY_FILE: '/k.pem' };

    test('does not take tokens in the clear, and says both ways out', () => {
      for (const env of [open, { ...open, TALLYLIGHT_PUBLIC_URL: 'http://tallylight.example' }]) {
        const [text, ...more] = complaints(env);
        expect(more).toEqual([]);
        expect(text).toContain('TALLYLIGHT_TLS_CERT_FILE and TALLYLIGHT_TLS_KEY_FILE');
        expect(text).toContain('TALLYLIGHT_PUBLIC_URL to that https origin');
      }
    });

    test('starts with TLS files', () => {
      const named = { TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example' };
      expect(load({ ...open, ...tls, ...named }, { '/c.pem': 'c', '/k.pem': 'k' })).toMatchObject({
        tls: { certFile: '/c.pem', keyFile: '/k.pem' },
      });
    });

    test('needs a public URL where the host names every address', () => {
      expect(complaints({ ...open, ...tls }, { '/c.pem': 'c', '/k.pem': 'k' })).toEqual([
        expect.stringContaining('TALLYLIGHT_PUBLIC_URL is missing'),
      ]);
    });

    test('starts behind a declared end of TLS', () => {
      expect(load({ ...open, TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example/' })).toMatchObject({
        publicUrl: 'https://tallylight.example',
      });
    });

    test('names the TLS setting whose file cannot be read', () => {
      const named = { TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example' };
      expect(complaints({ ...open, ...tls, ...named }, { '/c.pem': 'c' })).toEqual([
        'TALLYLIGHT_TLS_KEY_FILE names a file that cannot be read (ENOENT)',
      ]);
    });
  });
});

describe('the settings file', () => {
  const at = { TALLYLIGHT_CONFIG: 'tally.yaml' };
  const lines = [
    'TALLYLIGHT_GRAPH_URL: https://graph.microsoft.com',
    'TALLYLIGHT_CONTROL_AUTH: jwt',
    'TALLYLIGHT_EVIDENCE_DIR: evidence',
    'TALLYLIGHT_PORT: 8443',
    stringify({ TALLYLIGHT_ISSUERS: [issuer] }).trim(),
    stringify({ TALLYLIGHT_GRAPH_CREDENTIAL: credential }).trim(),
    `TALLYLIGHT_MEDIA_ROUTES: '${JSON.stringify([route])}'`,
  ].join('\n');

  test('has the same settings, structured ones as YAML or as JSON text', () => {
    const env = {
      ...jwt,
      TALLYLIGHT_EVIDENCE_DIR: 'evidence',
      TALLYLIGHT_PORT: '8443',
      TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([route]),
    };
    expect(load(at, { 'tally.yaml': lines })).toEqual(load(env));
  });

  test('adds to the environment, and may repeat it', () => {
    const env = {
      ...at,
      TALLYLIGHT_PORT: '8443',
      TALLYLIGHT_DRAIN_MS: '1',
      TALLYLIGHT_ISSUERS: jwt.TALLYLIGHT_ISSUERS,
    };
    expect(load(env, { 'tally.yaml': lines })).toMatchObject({ port: 8443, drainMs: 1, issuers: [issuer] });
  });

  test.each<[string, Env, string]>([
    [
      'TALLYLIGHT_PORT',
      { TALLYLIGHT_PORT: '8444' },
      'tally.yaml:4: TALLYLIGHT_PORT has another value in the environment',
    ],
    [
      'TALLYLIGHT_ISSUERS',
      { TALLYLIGHT_ISSUERS: JSON.stringify([{ ...issuer, audience: 'other' }]) },
      'tally.yaml:5: TALLYLIGHT_ISSUERS has another value in the environment',
    ],
  ])('must not contradict the environment about %s', (_name, env, expected) => {
    expect(complaints({ ...at, ...env }, { 'tally.yaml': lines })).toEqual([
      expect.stringContaining(expected),
    ]);
  });

  test.each([
    ['a wrong value', 'TALLYLIGHT_PORT: 70000', '2: TALLYLIGHT_PORT must be a whole number from 0 to 65535'],
    ['an empty value', 'TALLYLIGHT_PORT:', '2: TALLYLIGHT_PORT is empty: give it a value, or leave it out'],
    ['a list for a single value', 'TALLYLIGHT_PORT: [1]', '2: TALLYLIGHT_PORT must be a single value'],
    [
      'an unknown name',
      'TALLYLIGHT_PROT: 1',
      '2: TALLYLIGHT_PROT is not a setting; the nearest is TALLYLIGHT_PORT',
    ],
    [
      'a name without its prefix',
      'redis_url: x',
      '2: redis_url is not a setting; the nearest is TALLYLIGHT_REDIS_URL',
    ],
    ['itself', 'TALLYLIGHT_CONFIG: x', '2: TALLYLIGHT_CONFIG belongs in the environment'],
  ])('tells the line of %s', (_name, text, expected) => {
    expect(complaints(at, { 'tally.yaml': `# settings\n${text}\n` })).toEqual([`tally.yaml:${expected}`]);
  });

  test.each([
    ['a name twice', 'TALLYLIGHT_PORT: 1\nTALLYLIGHT_PORT: 1', '3:1', 'duplicate key'],
    ['a list that does not end', 'TALLYLIGHT_ISSUERS:\n  - [', '3:6', 'bad indent'],
  ])('tells the line and the column of %s', (_name, text, place, what) => {
    expect(complaints(at, { 'tally.yaml': `# settings\n${text}\n` })).toEqual([
      `TALLYLIGHT_CONFIG: tally.yaml:${place}: this is not valid YAML or JSON (${what})`,
    ]);
  });

  test('tells the line deep inside a structured setting', () => {
    const broken = lines
      .replace('jwksUri: https:', 'jwksUri: http:')
      .replace('clientId: client', 'clientID: client');
    const line = (what: string): number => broken.split('\n').findIndex((text) => text.includes(what)) + 1;
    expect(complaints(at, { 'tally.yaml': broken })).toEqual([
      expect.stringContaining(
        `tally.yaml:${line('TALLYLIGHT_GRAPH_CREDENTIAL')}: TALLYLIGHT_GRAPH_CREDENTIAL.clientId is missing`,
      ),
      expect.stringContaining(
        `tally.yaml:${line('clientID')}: TALLYLIGHT_GRAPH_CREDENTIAL.clientID is not known here; allowed: `,
      ),
      expect.stringContaining(
        `tally.yaml:${line('jwksUri')}: TALLYLIGHT_ISSUERS[0].jwksUri must be a URL and must be https`,
      ),
    ]);
  });

  test('must be there, and must hold settings by name', () => {
    expect(complaints(at)).toEqual(['TALLYLIGHT_CONFIG names a file that cannot be read (ENOENT)']);
    expect(complaints(at, { 'tally.yaml': '- 1' })).toEqual([
      expect.stringContaining('tally.yaml:1: the file must have'),
    ]);
    expect(load(at, { 'tally.yaml': '# nothing yet' })).toEqual(load({}));
  });

  const folder = mkdtempSync(join(tmpdir(), 'settings-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  test('is read from the disk', () => {
    const file = join(folder, 'tally.yaml');
    writeFileSync(file, 'TALLYLIGHT_PORT: 8443');
    expect(loadSettings({ TALLYLIGHT_CONFIG: file }).port).toBe(8443);
  });
});

test('settings are frozen, all the way down', () => {
  const settings = loadProxy({ ...jwt, TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([route]) });
  for (const part of [settings, settings.issuers, settings.issuers[0], settings.mediaRoutes[0]?.methods])
    expect(Object.isFrozen(part)).toBe(true);
});
