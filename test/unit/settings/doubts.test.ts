import { expect, test } from '@jest/globals';
import { doubtsOf } from '../../../src/settings/doubts.ts';
import { base, client, issuer, load, route, tenant } from '../../support/settings.ts';

const bot = '22222222-3333-4444-8555-666666666666';
const entra = `https://login.microsoftonline.com/${tenant}`;
const callbacks = {
  TALLYLIGHT_CALLBACKS: [{ path: '/api/calling', upstream: 'http://bot:9441' }],
  TALLYLIGHT_NOTIFICATION_ISSUERS: [
    { issuer: 'https://api.botframework.com', audience: bot, metadataUri: 'https://login.example/meta' },
  ],
};

const doubted = (changes: Readonly<Record<string, unknown>>): string[] =>
  doubtsOf(load(changes)).map(({ setting }) => setting);

test('nothing is doubtful about usual settings', () => {
  expect(doubted({ ...base, TALLYLIGHT_MEDIA_ROUTES: [route] })).toEqual([]);
});

test.each<[string, Record<string, unknown>, string]>([
  ['seconds for milliseconds', { TALLYLIGHT_DRAIN_MS: '5' }, 'TALLYLIGHT_DRAIN_MS'],
  [
    'silence shorter than keepAlive',
    {
      TALLYLIGHT_CONTROL_AUTH: 'graph',
      TALLYLIGHT_MEDIA_ROUTES: [route],
      TALLYLIGHT_CALL_SILENCE_MS: '600000',
    },
    'TALLYLIGHT_CALL_SILENCE_MS',
  ],
  ['a public URL over http', { TALLYLIGHT_PUBLIC_URL: 'http://tally.example' }, 'TALLYLIGHT_PUBLIC_URL'],
  [
    'http in front of TLS',
    {
      TALLYLIGHT_TLS_CERT_FILE: 'cert',
      TALLYLIGHT_TLS_KEY_FILE: 'key',
      TALLYLIGHT_PUBLIC_URL: 'http://127.0.0.1:8080',
    },
    'TALLYLIGHT_PUBLIC_URL',
  ],
  ['callbacks that Graph cannot reach', callbacks, 'TALLYLIGHT_PUBLIC_URL'],
  [
    'callbacks over http',
    { ...callbacks, TALLYLIGHT_CALLBACK_URL: 'http://tally.example' },
    'TALLYLIGHT_CALLBACK_URL',
  ],
  [
    'a handler at the public URL',
    {
      TALLYLIGHT_PUBLIC_URL: 'https://tally.example',
      TALLYLIGHT_MEDIA_ROUTES: [{ ...route, upstream: 'https://tally.example/store' }],
    },
    'TALLYLIGHT_MEDIA_ROUTES[0].upstream',
  ],
  ['a Graph of nobody', { TALLYLIGHT_GRAPH_URL: 'https://graph.microsft.com' }, 'TALLYLIGHT_GRAPH_URL'],
  [
    'the scope of another cloud',
    {
      TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.us',
      TALLYLIGHT_GRAPH_CREDENTIAL: {
        clientId: 'client',
        clientSecret: 'x',
        tokenEndpoint: 'https://login.microsoftonline.us/x/oauth2/v2.0/token',
      },
    },
    'TALLYLIGHT_GRAPH_CREDENTIAL[0].scope',
  ],
  [
    'the token endpoint of another cloud',
    {
      TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.us',
      TALLYLIGHT_GRAPH_CREDENTIAL: { ...client, scope: 'https://graph.microsoft.us/.default' },
    },
    'TALLYLIGHT_GRAPH_CREDENTIAL[0].tokenEndpoint',
  ],
  [
    'keys of another tenant',
    {
      TALLYLIGHT_ISSUERS: [
        {
          issuer: `${entra}/v2.0`,
          audience: bot,
          jwksUri: `https://login.microsoftonline.com/${bot}/discovery/v2.0/keys`,
        },
      ],
    },
    'TALLYLIGHT_ISSUERS[0].jwksUri',
  ],
  [
    'the audience of the other version',
    { TALLYLIGHT_ISSUERS: [{ ...issuer, issuer: `${entra}/v2.0` }] },
    'TALLYLIGHT_ISSUERS[0].audience',
  ],
  [
    'a credential that nobody uses',
    { TALLYLIGHT_CONTROL_AUTH: 'graph', TALLYLIGHT_MEDIA_ROUTES: [route] },
    'TALLYLIGHT_GRAPH_CREDENTIAL',
  ],
  ['issuers that nobody asks', { TALLYLIGHT_CONTROL_AUTH: 'graph' }, 'TALLYLIGHT_ISSUERS'],
  ['opaque tokens with jwt', { TALLYLIGHT_OPAQUE_GRAPH_TOKENS: 'allow' }, 'TALLYLIGHT_OPAQUE_GRAPH_TOKENS'],
])('%s', (_, changes, setting) => {
  expect(doubted(changes)).toContain(setting);
});
