import { join } from 'node:path';
import { makeCertificate } from '../../support/certificates.ts';
import { startRedis } from '../../support/redis.ts';
import { credential, file, folder, issuer, type Mistake, type Place, set, tls } from './mistake.ts';

const redisWith = async (place: Place, settings: readonly string[]): Promise<string> => {
  const redis = await startRedis({ settings });
  place.later(() => redis.stop());
  return redis.url;
};

/** What is wrong with what the settings name. */
export const surroundingMistakes: readonly Mistake[] = [
  {
    what: 'a port in use',
    env: ({ takenPort }) => ({ TALLYLIGHT_PORT: String(takenPort) }),
    names: 'TALLYLIGHT_PORT',
    says: /is in use/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'an address of another machine',
    env: () => ({ TALLYLIGHT_HOST: '192.0.2.1', TALLYLIGHT_PUBLIC_URL: 'https://localhost' }),
    names: 'TALLYLIGHT_HOST',
    says: /not an address of this machine/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'a directory of evidence that cannot be made',
    env: async (place) => ({ TALLYLIGHT_EVIDENCE_DIR: join(await file(place, ''), 'evidence') }),
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /ENOTDIR|not a directory/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'a directory of evidence without its id',
    env: async (place) => ({ TALLYLIGHT_EVIDENCE_DIR: await folder(place, { 'sink-id': 'x' }) }),
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /does not contain a UUID/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'a Redis that evicts',
    env: async (place) => ({
      TALLYLIGHT_REDIS_URL: await redisWith(place, ['--maxmemory-policy', 'allkeys-lru']),
    }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /maxmemory-policy is allkeys-lru/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'a Redis that forgets, where that is not allowed',
    env: async (place) => ({
      TALLYLIGHT_REDIS_URL: await redisWith(place, []),
      TALLYLIGHT_REDIS_DURABILITY: 'require',
    }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /appendonly is no/,
    check: 4,
    start: 'ends',
  },
  {
    what: 'a Redis with another password',
    env: async (place) => ({
      TALLYLIGHT_REDIS_URL: (await redisWith(place, ['--requirepass', 'hunter2!'])).replace(
        '//',
        '//:wrong-hunter@',
      ),
    }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /WRONGPASS/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a Redis without its password',
    env: async (place) => ({ TALLYLIGHT_REDIS_URL: await redisWith(place, ['--requirepass', 'hunter2!']) }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /NOAUTH/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a Redis that is not there',
    ...set('TALLYLIGHT_REDIS_URL', 'redis://127.0.0.1:9'),
    says: /ECONNREFUSED/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'an expired certificate',
    env: async ({ directory }) => tls(await makeCertificate(directory, 'expired', { daysAgo: 9 })),
    names: 'TALLYLIGHT_TLS_CERT_FILE',
    says: /expired on/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a certificate of another name',
    env: async ({ directory }) => tls(await makeCertificate(directory, 'foreign', { host: 'other.example' })),
    names: 'TALLYLIGHT_TLS_CERT_FILE',
    says: /is not for localhost/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a key server that is not there',
    env: (place) => issuer(place, { jwksUri: `http://127.0.0.1:${place.closedPort}/keys` }),
    names: 'TALLYLIGHT_ISSUERS[0].jwksUri',
    says: /ECONNREFUSED/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a key server with another path',
    env: (place) => issuer(place, { jwksUri: `${place.mint.issuer}/nowhere` }),
    names: 'TALLYLIGHT_ISSUERS[0].jwksUri',
    says: /answered 404/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a wrong secret',
    env: (place) => credential(place, { clientSecret: 'wrong-hunter' }),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
    says: /token endpoint answered 40[01]/,
    check: 5,
    start: 'warns',
  },
  {
    what: 'a Graph that is not there',
    names: 'TALLYLIGHT_GRAPH_URL',
    env: ({ closedPort }) => ({ TALLYLIGHT_GRAPH_URL: `http://127.0.0.1:${closedPort}` }),
    says: /ECONNREFUSED/,
    check: 5,
    start: 'unaware',
  },
  {
    what: 'a chain without its authority',
    env: async ({ directory }) => {
      const by = await makeCertificate(directory, 'authority');
      return tls(await makeCertificate(directory, 'leaf', { by }));
    },
    names: 'TALLYLIGHT_TLS_CERT_FILE',
    says: /lacks the certificate of the authority/,
    check: 0,
    start: 'warns',
  },
  {
    what: 'seconds for milliseconds',
    ...set('TALLYLIGHT_DRAIN_MS', '5'),
    says: /looks like a number of seconds/,
    check: 0,
    start: 'warns',
  },
  {
    what: 'a directory without policies',
    env: async (place) => ({ TALLYLIGHT_POLICY_DIR: await folder(place, { 'bank.txt': 'name: bank' }) }),
    names: 'TALLYLIGHT_POLICY_DIR',
    says: /holds no policy/,
    check: 0,
    start: 'warns',
  },
];
