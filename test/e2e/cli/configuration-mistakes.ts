import { makeCertificate } from '../../support/certificates.ts';
import { credential, folder, issuer, type Mistake, set, tls } from './mistake.ts';

const own = { names: '', check: 3, start: 'ends' } as const;
const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';

/** What is wrong with the settings themselves. */
export const configurationMistakes: readonly Mistake[] = [
  {
    ...own,
    what: 'a typing error',
    ...set('TALLYLIGHT_DRIAN_MS', '5'),
    says: /nearest is TALLYLIGHT_DRAIN_MS/,
  },
  {
    ...own,
    what: 'a typing error in the prefix',
    env: () => ({ TALLYLIGT_REDIS_URL: 'redis://redis' }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /TALLYLIGT_REDIS_URL is not a setting/,
  },
  { ...own, what: 'a time with a unit', ...set('TALLYLIGHT_DRAIN_MS', '5s'), says: /without a unit/ },
  { ...own, what: 'a negative time', ...set('TALLYLIGHT_DRAIN_MS', '-1'), says: /from 0 to 60000/ },
  {
    ...own,
    what: 'a TTL below the minimum',
    ...set('TALLYLIGHT_SESSION_TTL_MS', '5'),
    says: /from 300 to 60000/,
  },
  {
    ...own,
    what: 'a largest TTL below the TTL',
    ...set('TALLYLIGHT_SESSION_TTL_MAX_MS', '300'),
    says: /smaller than TALLYLIGHT_SESSION_TTL_MS/,
  },
  { ...own, what: 'an empty value', ...set('TALLYLIGHT_PUBLIC_URL', ''), says: /is empty/ },
  {
    ...own,
    what: 'a URL without its scheme',
    ...set('TALLYLIGHT_PUBLIC_URL', 'tally.example'),
    says: /must be an http or https origin/,
  },
  {
    ...own,
    what: 'a public URL with a path',
    ...set('TALLYLIGHT_PUBLIC_URL', 'https://tally.example/proxy'),
    says: /without a path/,
  },
  {
    ...own,
    what: 'Graph with a version',
    ...set('TALLYLIGHT_GRAPH_URL', 'https://graph.microsoft.com/v1.0'),
    says: /without \/v1\.0/,
  },
  {
    ...own,
    what: 'Graph over http',
    ...set('TALLYLIGHT_GRAPH_URL', 'http://graph.microsoft.com'),
    says: /must be https/,
  },
  {
    ...own,
    what: 'a handler without its scheme',
    env: () => ({ TALLYLIGHT_MEDIA_ROUTES: '[{"path":"/media/{callId}/*","upstream":"store:9000"}]' }),
    names: 'TALLYLIGHT_MEDIA_ROUTES[0].upstream',
    says: /must be an http or https URL/,
  },
  {
    ...own,
    what: 'a handler that is the proxy itself',
    env: () => ({
      TALLYLIGHT_PORT: '18080',
      TALLYLIGHT_MEDIA_ROUTES: '[{"path":"/media/{callId}/*","upstream":"http://127.0.0.1:18080"}]',
    }),
    names: 'TALLYLIGHT_MEDIA_ROUTES[0].upstream',
    says: /the proxy itself/,
  },
  {
    ...own,
    what: 'a placeholder in an issuer',
    env: (place) => issuer(place, { issuer: 'https://login.microsoftonline.com/<tenant>/v2.0' }),
    names: 'TALLYLIGHT_ISSUERS[0].issuer',
    says: /placeholder in angle brackets/,
  },
  {
    ...own,
    what: 'a variable that was not replaced',
    ...set('TALLYLIGHT_PUBLIC_URL', 'https://${HOST}'),
    says: /still has a variable/,
  },
  {
    ...own,
    what: 'an issuer over http',
    env: (place) => issuer(place, { issuer: 'http://login.example' }),
    names: 'TALLYLIGHT_ISSUERS[0].issuer',
    says: /must be https/,
  },
  {
    ...own,
    what: 'an issuer of neither version of Entra',
    env: (place) => issuer(place, { issuer: `https://sts.windows.net/${tenant}` }),
    names: 'TALLYLIGHT_ISSUERS[0].issuer',
    says: /no token carries it/,
  },
  {
    ...own,
    what: 'a tenant that is none',
    env: (place) => credential(place, { tokenEndpoint: undefined, tenant: 'common', clientSecret: 'x' }),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL.tenant',
    says: /one tenant/,
  },
  {
    ...own,
    what: 'a file of settings that is not there',
    ...set('TALLYLIGHT_CONFIG', '/nowhere/settings.yaml'),
    says: /cannot be read \(ENOENT\)/,
  },
  {
    ...own,
    what: 'a secret file that is not there',
    env: (place) => credential(place, { clientSecretFile: '/nowhere/secret' }),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL.clientSecretFile',
    says: /cannot be read \(ENOENT\)/,
  },
  {
    ...own,
    what: 'a list that is no JSON',
    ...set('TALLYLIGHT_ISSUERS', '[{"issuer": "x",, }]'),
    says: /not valid YAML or JSON .* at line 1, column 17/,
  },
  {
    ...own,
    what: 'a secret and a key',
    env: (place) => credential(place, { clientSecret: 'x', privateKeyFile: '/nowhere' }),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    says: /exactly one of/,
  },
  {
    ...own,
    what: 'one port for both',
    env: () => ({ TALLYLIGHT_PORT: '18080', TALLYLIGHT_ADMIN_PORT: '18080' }),
    names: 'TALLYLIGHT_PORT',
    says: /set two different ports/,
  },
  {
    ...own,
    what: 'an address for all without TLS',
    ...set('TALLYLIGHT_HOST', '0.0.0.0'),
    says: /without TLS/,
  },
  {
    ...own,
    what: 'Redis by another scheme',
    ...set('TALLYLIGHT_REDIS_URL', 'tcp://redis:6379'),
    says: /must begin with redis:\/\//,
  },
  {
    ...own,
    what: 'a password with a slash',
    ...set('TALLYLIGHT_REDIS_URL', 'redis://:hunter2!/x@redis:6379'),
    says: /encode it as %2F/,
  },
  {
    ...own,
    what: 'a key of another certificate',
    env: async (place) => {
      const [one, two] = await Promise.all(
        ['one', 'two'].map((name) => makeCertificate(place.directory, name)),
      );
      return tls({ certFile: one!.certFile, keyFile: two!.keyFile });
    },
    names: 'TALLYLIGHT_TLS_CERT_FILE',
    says: /matching certificate and private key/,
  },
  {
    ...own,
    what: 'a credential’s certificate of another key',
    env: async (place) => {
      const [one, two] = await Promise.all(
        ['bot', 'other'].map((name) => makeCertificate(place.directory, name)),
      );
      return credential(place, { certificateFile: one!.certFile, privateKeyFile: two!.keyFile });
    },
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    says: /does not belong to its private key/,
  },
  {
    ...own,
    what: 'policies that are not there',
    ...set('TALLYLIGHT_POLICY_DIR', '/nowhere/policies'),
    says: /cannot be read: ENOENT/,
  },
  {
    ...own,
    what: 'a policy that is broken',
    env: async (place) => ({
      TALLYLIGHT_POLICY_DIR: await folder(place, { 'bank.json': '{\n  "name" "bank"\n}' }),
    }),
    names: 'TALLYLIGHT_POLICY_DIR',
    says: /bank\.json:2:10: this is not valid/,
  },
  {
    ...own,
    what: 'two policies for one tenant',
    env: async (place) => ({
      TALLYLIGHT_POLICY_DIR: await folder(place, {
        'a.yaml': `name: a\nmatch: { tenants: [${tenant}] }`,
        'b.yaml': `name: b\nmatch: { tenants: [${tenant}] }`,
      }),
    }),
    names: 'TALLYLIGHT_POLICY_DIR',
    says: /a\.yaml:2: "a" and "b" .* match the same callers/,
  },
];
