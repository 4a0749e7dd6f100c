import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { isFault, messageOf } from '../../src/core/errors.ts';
import { isLoopback } from '../../src/settings/shapes.ts';
import { settings } from '../../src/settings/table.ts';
import { loadSettings, type Settings } from '../../src/settings/settings.ts';
import { cases, edited, ofLongRun } from './cases.ts';

const secret = 'hunter2-canary';
const guid = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const issuer = {
  issuer: 'https://login.example/v2.0',
  audience: 'api://tallylight',
  jwksUri: 'https://login.example/keys',
};
const good: Readonly<Record<string, string>> = {
  TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
  TALLYLIGHT_CONTROL_AUTH: 'jwt',
  TALLYLIGHT_EVIDENCE_DIR: '/var/lib/tallylight',
  TALLYLIGHT_ISSUERS: JSON.stringify([issuer]),
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({ tenant: guid, clientId: 'client', clientSecret: secret }),
  TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([
    { path: '/media/{callId}/*', upstream: 'http://store:9000', discard: 'http://store:9000/discard' },
  ]),
  TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: '/{pod}/api/calling/*', upstream: 'http://bot:9441' }]),
  TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([{ ...issuer, audience: guid }]),
  TALLYLIGHT_HOST: '0.0.0.0',
  TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example',
  TALLYLIGHT_REDIS_URL: `redis://:${secret}@store:6379/0`,
  TALLYLIGHT_PORT: '8080',
};
const names = [...Object.values(settings).map(({ name }) => name), 'TALLYLIGHT_PORTS', 'PATH', '__proto__'];
const pieces = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '&a ',
    '*a',
    '!!js/function ',
    '!!binary ',
    '<<: ',
    '- ',
    '? ',
    '|\n',
    '#',
    '%',
    '\t',
    '\n',
    '\0',
  ],
  ...[
    'null',
    '""',
    '0',
    '-1',
    '1e9',
    '{callId}',
    '*',
    '..',
    '/',
    '//',
    '/v1.0',
    '/app',
    'http://',
    '@',
    '127.0.0.1',
    '::1',
    'localhost',
    '"apps":[]',
  ],
];
const text = fc.oneof(
  { weight: 4, arbitrary: edited(fc.constantFrom(...Object.values(good)), pieces) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'jwt', 'graph', '127.0.0.1', '0', '99999', 'redis://store', '/path'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
);
/** Settings that are good but for a few. */
const env = fc
  .tuple(
    fc.array(fc.constantFrom(...Object.keys(good)), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...names), text, { maxKeys: 2 }),
  )
  .map(([without, changed]): Record<string, string> => ({
    ...Object.fromEntries(Object.entries(good).filter(([name]) => !without.includes(name))),
    ...changed,
  }));

/** undefined: they were refused, in words that show no secret. */
function load(given: NodeJS.ProcessEnv, file?: string): Settings | undefined {
  try {
    return loadSettings(given, () => {
      if (file === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return file;
    });
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    expect(messageOf(error)).not.toContain(secret);
    return undefined;
  }
}

/** What no settings may allow. */
function expectClosed(loaded: Settings): void {
  if (loaded.mode === 'sandbox') {
    expect(isLoopback(loaded.host)).toBe(true);
    return;
  }
  const {
    host,
    tls,
    publicUrl,
    mediaRoutes,
    issuers,
    controlAuth,
    callbacks,
    notificationIssuers,
    graphUrl,
  } = loaded;
  if (!isLoopback(host)) expect(tls !== undefined || publicUrl?.startsWith('https://')).toBe(true);
  if (mediaRoutes.length > 0 || controlAuth === 'jwt') expect(issuers.length).toBeGreaterThan(0);
  if (callbacks.length > 0) expect(notificationIssuers.length).toBeGreaterThan(0);
  expect(new URL(graphUrl).origin).toBe(graphUrl);
  for (const { jwksUri } of issuers)
    expect(jwksUri.startsWith('https://') || isLoopback(new URL(jwksUri).hostname)).toBe(true);
  for (const { path } of [...mediaRoutes, ...callbacks])
    expect(path).not.toMatch(/^\/(?:v1\.0|beta|app)(?:\/|$)|[\s?#;\\%]|\/\.{1,2}(?:\/|$)/i);
  for (const { methods } of mediaRoutes) expect(methods).not.toContain('GET');
}

test('whatever the environment, settings are refused as a whole or keep every door closed', () => {
  const counts = { loaded: 0, refused: 0 };
  fc.assert(
    fc.property(env, (given) => {
      const loaded = load(given);
      counts[loaded === undefined ? 'refused' : 'loaded'] += 1;
      if (loaded !== undefined) expectClosed(loaded);
    }),
    cases(),
  );
  expect(Math.min(counts.loaded, counts.refused)).toBeGreaterThan(ofLongRun(50));
});

test('whatever is in the file that it names, as well', () => {
  const yaml = Object.entries(good)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
  // A hundred million entries, if every alias were followed.
  const bomb = Array.from(
    { length: 8 },
    (_, at) =>
      `a${at}: &a${at} [${Array(9)
        .fill(at === 0 ? 'x' : `*a${at - 1}`)
        .join(',')}]`,
  ).join('\n');
  let loaded = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        { weight: 8, arbitrary: edited(fc.constantFrom(yaml), pieces, 2) },
        fc.constantFrom(bomb, '', '[]', 'null', '- a', '\ufeff'),
      ),
      (file) => {
        const read = load({ TALLYLIGHT_CONFIG: 'tallylight.yaml' }, file);
        if (read === undefined) return;
        loaded += 1;
        expectClosed(read);
      },
    ),
    cases(1 / 8),
  );
  expect(loaded).toBeGreaterThan(ofLongRun(5));
});

test('a mistake in a file does not show a secret in a warning of the process either', () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    expect(
      load({ TALLYLIGHT_CONFIG: 'tallylight.yaml' }, `TALLYLIGHT_REDIS_URL: {{${secret}}}`),
    ).toBeUndefined();
    expect(load({ ...good, TALLYLIGHT_GRAPH_CREDENTIAL: `? {${secret}: x}` })).toBeUndefined();
    expect(JSON.stringify(warned.mock.calls)).not.toContain(secret);
  } finally {
    warned.mockRestore();
  }
});
