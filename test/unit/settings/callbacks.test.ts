import { describe, expect, test } from '@jest/globals';
import { createNotificationVerifier } from '../../../src/auth/notifications.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { loadSettings, type ProxySettings } from '../../../src/settings/settings.ts';

const bot = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const callback = { path: '/{pod}/api/calling/*', upstream: 'http://bot:9441' };
const keyless = { issuer: 'https://api.botframework.com', audience: bot };
const issuer = {
  ...keyless,
  metadataUri: 'https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration',
};
const media = { path: '/media/{callId}/*', upstream: 'http://store:9000' };

type Changes = Readonly<Record<string, unknown>>;

function load(changes: Changes): ProxySettings {
  const given: Changes = {
    TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
    TALLYLIGHT_CONTROL_AUTH: 'graph',
    TALLYLIGHT_EVIDENCE_DIR: 'evidence',
    TALLYLIGHT_ISSUERS: [{ issuer: 'https://a.example', audience: 'a', jwksUri: 'https://a.example/keys' }],
    TALLYLIGHT_CALLBACKS: [callback],
    TALLYLIGHT_NOTIFICATION_ISSUERS: [issuer],
    ...changes,
  };
  const written = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  const settings = loadSettings(Object.fromEntries(written) as NodeJS.ProcessEnv);
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

/** The complaints, one per line. */
function complaints(changes: Changes): string[] {
  try {
    load(changes);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error).split('\n  ').slice(1);
  }
  throw new Error('the settings were accepted');
}

describe('callbacks', () => {
  test('lead from paths to bots', () => {
    const second = { path: '/api/calling', upstream: 'https://bot.example/base' };
    expect(load({ TALLYLIGHT_CALLBACKS: [callback, second] }).callbacks).toEqual([callback, second]);
  });

  test.each([
    ['api/calling', 'must begin with "/", such as /api/calling'],
    ['/', 'must have plain segments'],
    ['/api//calling', 'must have plain segments'],
    ['/api/calling/', 'must have plain segments'],
    ['/api/*/calling', 'must have plain segments'],
    ['/api/%63alling', 'must have plain segments'],
    ['/api/x{pod}', 'must have plain segments'],
    ['/api/{}', 'must have plain segments'],
    ['/api/calling?x', 'must have plain segments'],
    ['/api/../calling', 'must have no dot segments'],
    ['/{pod}/api/{pod}', 'must contain {pod} only once'],
    ['/*', 'must have a literal segment'],
    ['/{pod}', 'must have a literal segment'],
    ['/{pod}/{name}/*', 'must have a literal segment'],
    ['/v1.0/{pod}', 'must not begin with /v1.0, /beta or /app'],
    ['/BETA/calling', 'must not begin with /v1.0, /beta or /app'],
    ['/App/calling', 'must not begin with /v1.0, /beta or /app'],
  ])('must not have the path %s', (path, expected) => {
    expect(complaints({ TALLYLIGHT_CALLBACKS: [{ ...callback, path }] })).toEqual([
      expect.stringContaining(`TALLYLIGHT_CALLBACKS[0].path ${expected}`),
    ]);
  });

  test.each<[string, unknown, string]>([
    ['an empty list', [], ' must not be empty'],
    ['one without a list', callback, ' must be a list'],
    ['no bot', [{ path: '/api' }], '[0].upstream is missing'],
    [
      'a bot with a query',
      [{ ...callback, upstream: 'http://b/?x' }],
      '[0].upstream must be an http or https URL',
    ],
    [
      'methods',
      [{ ...callback, methods: ['POST'] }],
      '[0].methods is not known here; allowed: path, upstream',
    ],
    [
      'one path twice',
      [callback, { ...callback, path: '/x/y' }, { ...callback, path: '/{bot}/api/calling/*' }],
      '[2].path is also the path of entry 0',
    ],
  ])('must not have %s', (_name, given, expected) => {
    expect(complaints({ TALLYLIGHT_CALLBACKS: given })).toEqual([
      expect.stringContaining(`TALLYLIGHT_CALLBACKS${expected}`),
    ]);
  });

  test('may overlap with each other: the more literal one counts', () => {
    const paths = ['/{pod}/api/*', '/0/api/*', '/0/api/calling'];
    const given = paths.map((path) => ({ ...callback, path }));
    expect(load({ TALLYLIGHT_CALLBACKS: given }).callbacks).toEqual(given);
  });

  test.each([
    ['/media/x', { ...media, path: '/media/*', callId: { header: 'x' } }],
    ['/media/*', media],
    ['/{pod}/{name}/api', media],
  ])('must not share a path with media: %s', (path, shared) => {
    const before = { ...media, path: '/elsewhere/{callId}' };
    const given = { TALLYLIGHT_CALLBACKS: [callback, { ...callback, path }] };
    const text = complaints({ ...given, TALLYLIGHT_MEDIA_ROUTES: [before, shared] });
    expect(text.at(-1)).toContain(
      'TALLYLIGHT_CALLBACKS[1].path and TALLYLIGHT_MEDIA_ROUTES[1].path can match the same path',
    );
  });

  test('may begin with a pod beside media whose path has the call id: no call id is "api"', () => {
    expect(load({ TALLYLIGHT_MEDIA_ROUTES: [media] })).toMatchObject({ callbacks: [callback] });
  });

  test('and issuers of notifications go together', () => {
    expect(complaints({ TALLYLIGHT_NOTIFICATION_ISSUERS: undefined })).toEqual([
      'TALLYLIGHT_NOTIFICATION_ISSUERS is missing: notifications are never accepted without authentication',
    ]);
    expect(complaints({ TALLYLIGHT_CALLBACKS: undefined })).toEqual([
      'TALLYLIGHT_CALLBACKS is missing: it is required by TALLYLIGHT_NOTIFICATION_ISSUERS',
    ]);
  });

  test('have an origin of their own, if Graph sees another than bots do', () => {
    const url = { TALLYLIGHT_CALLBACK_URL: 'https://Callbacks.example/' };
    expect(load(url).callbackUrl).toBe('https://callbacks.example');
    expect(load({ TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example' }).callbackUrl).toBeUndefined();
    const none = { TALLYLIGHT_CALLBACKS: undefined, TALLYLIGHT_NOTIFICATION_ISSUERS: undefined };
    expect(complaints({ ...url, ...none })).toEqual([
      'TALLYLIGHT_CALLBACKS is missing: it is required by TALLYLIGHT_CALLBACK_URL',
    ]);
  });
});

describe('trusted proxies', () => {
  test.each<[unknown, readonly string[]]>([
    ['10.0.0.1', ['10.0.0.1']],
    ['10.0.0.0/8, fd00::/8,192.168.1.5', ['10.0.0.0/8', 'fd00::/8', '192.168.1.5']],
    [
      ['10.0.0.0/8', '::1'],
      ['10.0.0.0/8', '::1'],
    ],
  ])('%j are %j', (given, proxies) => {
    expect(load({ TALLYLIGHT_TRUSTED_PROXIES: given }).trustedProxies).toEqual(proxies);
  });

  test.each<[unknown, string]>([
    ['proxy.example', '[0] must be an IP address, or a network such as 10.0.0.0/8'],
    ['10.0.0.0/8,', '[1] must be an IP address, or a network'],
    [['10.0.0.0/8', '10.0.0.0/33'], '[1] must be an IP address, or a network'],
    [[], ' must not be empty'],
  ])('%j are refused', (given, problem) => {
    expect(complaints({ TALLYLIGHT_TRUSTED_PROXIES: given })).toEqual([
      expect.stringContaining(`TALLYLIGHT_TRUSTED_PROXIES${problem}`),
    ]);
  });
});

describe('issuers of notifications', () => {
  test('say whose tokens are accepted, and for which bots', () => {
    const full = {
      ...keyless,
      audience: [bot.toUpperCase()],
      jwksUri: 'https://keys.example/keys',
      tenants: [bot.toUpperCase()],
      apps: [],
      algorithms: ['RS256'],
    };
    const { notificationIssuers } = load({ TALLYLIGHT_NOTIFICATION_ISSUERS: [issuer, full] });
    expect(notificationIssuers).toEqual([issuer, { ...full, audience: [bot], tenants: [bot] }]);
    // What the settings accept, the verifier accepts.
    createNotificationVerifier(notificationIssuers, {
      fetch: () => Promise.reject(new Error('unused')),
    }).close();
  });

  test.each<[string, unknown, string]>([
    ['one without a list', issuer, ' must be a list'],
    ['an empty list', [], ' must not be empty'],
    ['no audience', [{ ...issuer, audience: undefined }], '[0].audience must be the application id of a bot'],
    ['no bot', [{ ...issuer, audience: [] }], '[0].audience must not be empty'],
    [
      'the audience of join tokens',
      [{ ...issuer, audience: 'https://api.botframework.com' }],
      '[0].audience must be the application id of a bot, which is a GUID',
    ],
    [
      'a URL among the bots',
      [{ ...issuer, audience: [bot, 'api://bot'] }],
      '[0].audience[1] must be the application id of a bot',
    ],
    ['no place for keys', [keyless], '[0] must have either "jwksUri" or "metadataUri"'],
    [
      'two places for keys',
      [{ ...issuer, jwksUri: 'https://a.example' }],
      '[0] must have either "jwksUri" or "metadataUri"',
    ],
    [
      'keys in the clear',
      [{ ...keyless, jwksUri: 'http://a.example' }],
      '[0].jwksUri must be a URL and must be https',
    ],
    [
      'metadata in the clear',
      [{ ...issuer, metadataUri: 'http://a.example' }],
      '[0].metadataUri must be a URL and must be https',
    ],
    ['no tenant', [{ ...issuer, tenants: [] }], '[0].tenants must not be empty'],
    ['a service that is no GUID', [{ ...issuer, apps: ['x'] }], '[0].apps[0] must be a GUID'],
    ['a symmetric algorithm', [{ ...issuer, algorithms: ['HS256'] }], '[0].algorithms[0] must be "RS256" or'],
    ['roles', [{ ...issuer, roles: [] }], '[0].roles is not known here; allowed: issuer, audience, jwksUri'],
  ])('are refused with %s', (_name, given, expected) => {
    expect(complaints({ TALLYLIGHT_NOTIFICATION_ISSUERS: given })).toEqual([
      expect.stringContaining(`TALLYLIGHT_NOTIFICATION_ISSUERS${expected}`),
    ]);
  });
});

describe('the bot of the sandbox', () => {
  test.each([
    ['https://bot.example/api/calling', 'loopback'],
    ['api/calling', 'loopback'],
    ['http://127.0.0.1:9441/api?x=1', 'loopback'],
    ['http://127.0.0.1:9441', 'empty'],
    ['http://127.0.0.1:9441/api/*', '"*"'],
    ['http://127.0.0.1:9441/{pod}/api', 'plain segments'],
    ['http://127.0.0.1:9441/beta/api', 'belong to Graph'],
    ['http://127.0.0.1:9441/media', 'media'],
  ])('is not at %s', (given, why) => {
    expect(() => loadSettings({ TALLYLIGHT_SANDBOX_BOT: given })).toThrow(why);
  });
});
