import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { redisStore } from '../../../src/store/redis/client.ts';
import { inspectRedis, type RedisInspection } from '../../../src/store/redis/inspect.ts';
import { formatNumber, keysWith } from '../../../src/store/redis/keys.ts';
import { aclLine } from '../../../src/store/redis/permissions.ts';
import { eventually } from '../../support/eventually.ts';
import {
  patient,
  type RedisOptions,
  replicaOf,
  startCluster,
  startRedis,
  startSentinel,
  type TestRedis,
} from '../../support/redis.ts';
import { startTlsRedis, type TlsRedis } from '../../support/tls-redis.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** Assigned to nobody, and no test is given it by chance, as a port that was just closed would be. */
const closedPort = 28;
const times = { ttlMs: 5000, graphTimeoutMs: 10_000, ttlMaxMs: 5000, graphTimeoutMaxMs: 10_000 };

const inspect = (url: string, more: object = {}): Promise<RedisInspection> =>
  inspectRedis(url, { eviction: 'check', waitReplicas: 0, times, ...more });

async function server(options: RedisOptions = { appendOnly: true }): Promise<TestRedis> {
  const redis = await startRedis(options);
  cleanUp.push(() => redis.stop());
  return redis;
}

const sound = { reached: true, unsuitable: [], doubts: [], misfits: [], sink: undefined };

/** No key was written by looking. */
const untouched = async (...servers: readonly TestRedis[]): Promise<void> => {
  for (const redis of servers) expect(await redis.cli('dbsize')).toBe('0');
};

describe('each kind of deployment', () => {
  test('one server', async () => {
    const redis = await server();
    expect(await inspect(redis.url)).toMatchObject({ ...sound, versions: [expect.stringMatching(/^\d/)] });
    await untouched(redis);
  });

  test('a cluster: every master is looked at', async () => {
    const cluster = await startCluster();
    cleanUp.push(() => cluster.stop());
    const found = await inspect(cluster.url);
    expect(found).toMatchObject({
      reached: true,
      unsuitable: [],
      versions: [expect.anything(), expect.anything(), expect.anything()],
      doubts: [expect.stringMatching(/^appendonly is no/)],
    });
    await cluster.nodes[2]!.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    expect(await inspect(cluster.url)).toMatchObject({
      unsuitable: [expect.stringContaining('maxmemory-policy is allkeys-lru')],
    });
    await untouched(...cluster.nodes);
  });

  test('Sentinel: its master is looked at, with the fence that a failover needs', async () => {
    const primary = await server();
    await server(replicaOf(primary));
    await eventually(async () => (await primary.cli('info', 'replication')).includes('state=online'));
    const sentinel = await startSentinel(primary);
    cleanUp.push(() => sentinel.stop());
    expect(await inspect(sentinel.url)).toMatchObject({
      reached: true,
      unsuitable: [],
      doubts: [
        expect.stringMatching(/^changes are not confirmed by its replica/),
        expect.stringMatching(/^min-replicas-to-write is 0/),
      ],
    });
    expect(await inspect(sentinel.url, { waitReplicas: 1 })).toMatchObject({ doubts: [] });
    await untouched(primary);
  });

  test('Sentinel that does not know the master is said to be in the way', async () => {
    const sentinel = await startSentinel(await server());
    cleanUp.push(() => sentinel.stop());
    const found = await inspect(sentinel.url.replace('/primary', '/other'));
    expect(found).toMatchObject({
      reached: false,
      why: expect.stringMatching(/\S/),
      cure: expect.stringMatching(/\S/),
    });
  });
});

describe('the rights of the user', () => {
  const as = async (redis: TestRedis, ...changes: readonly string[]): Promise<string> => {
    const granted = aclLine('tallylight').split(' ').slice(3);
    await redis.cli('acl', 'setuser', 'gate', 'on', '>hunter2', ...granted, '+config|get', ...changes);
    return redis.url.replace('//', '//gate:hunter2@');
  };

  test('those that are documented are enough', async () => {
    expect(await inspect(await as(await server()))).toMatchObject(sound);
  });

  test.each([
    ['without the channels', ['resetchannels'], { unsuitable: [], doubts: [/may not use the channels/] }],
    ['without CONFIG GET', ['-config|get'], { unsuitable: [], doubts: [/does not allow CONFIG GET/] }],
    ['without a command', ['-xadd'], { unsuitable: [/its user may not run XADD/], doubts: [] }],
    ['without the keys', ['resetkeys'], { unsuitable: [/may not use the keys tallylight:\*/], doubts: [] }],
  ])('%s', async (_what, changes, expected) => {
    const found = await inspect(await as(await server(), ...changes));
    const like = (patterns: readonly RegExp[]) => patterns.map((pattern) => expect.stringMatching(pattern));
    expect(found).toMatchObject({
      reached: true,
      unsuitable: like(expected.unsuitable),
      doubts: like(expected.doubts),
    });
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });
});

describe('the instances that are there', () => {
  const { layout, members } = keysWith('tallylight');

  async function joined(theirs: Partial<typeof times>): Promise<TestRedis> {
    const redis = await server();
    const store = redisStore(redis.url, patient);
    cleanUp.push(() => store.close());
    await store.ready();
    await store.sessions.join('session-1', { ...times, ...theirs });
    return redis;
  }

  test('the same times fit', async () => {
    const redis = await joined({});
    expect(await redis.cli('hlen', members)).toBe('1');
    expect(await inspect(redis.url)).toMatchObject({ misfits: [] });
    expect(await redis.cli('hlen', members)).toBe('1');
  });

  test.each([
    [
      'a TTL that they do not allow',
      {},
      { ttlMs: 9000, ttlMaxMs: 9000 },
      /^TALLYLIGHT_SESSION_TTL_MS is 9000 on this instance/,
    ],
    [
      'a TTL that is not allowed here',
      { ttlMs: 9000, ttlMaxMs: 9000 },
      {},
      /^TALLYLIGHT_SESSION_TTL_MS is 9000 at session session-1/,
    ],
    [
      'a Graph timeout that they do not allow',
      {},
      { graphTimeoutMs: 20_000, graphTimeoutMaxMs: 20_000 },
      /^TALLYLIGHT_GRAPH_TIMEOUT_MS is 20000 on this instance/,
    ],
  ])('%s', async (_what, theirs, mine, says) => {
    const redis = await joined(theirs);
    const found = await inspect(redis.url, { times: { ...times, ...mine } });
    expect(found).toMatchObject({ misfits: [expect.stringMatching(says)] });
  });

  test('larger times fit where both allow them', async () => {
    const redis = await joined({ ttlMaxMs: 9000 });
    const mine = { times: { ...times, ttlMs: 9000, ttlMaxMs: 9000 } };
    expect(await inspect(redis.url, mine)).toMatchObject({ misfits: [] });
  });

  test.each([
    [String(formatNumber + 1), /supports only format/],
    [String(formatNumber - 1), /of an earlier build/],
    ['something else', /not the number of a store format/],
  ])('a store of the format "%s" does not fit', async (format, says) => {
    const redis = await server();
    await redis.cli('set', layout, format);
    expect(await inspect(redis.url)).toMatchObject({ misfits: [expect.stringMatching(says)] });
  });
});

test('its clock, its memory and its evidence directory are reported', async () => {
  const redis = await server({ appendOnly: true, settableClock: true, settings: ['--maxmemory', '100mb'] });
  await redis.setClock(60_000);
  await redis.cli('set', keysWith('tallylight').sink, 'a-sink');
  const found = await inspect(redis.url);
  if (!found.reached) throw new Error(found.why);
  expect(found.aheadMs).toBeGreaterThan(30_000);
  expect(found.usedShare).toBeGreaterThan(0);
  expect(found.usedShare).toBeLessThan(1);
  expect(found.sink).toBe('a-sink');
});

describe('what cannot be reached', () => {
  async function tlsServer(): Promise<TlsRedis> {
    const directory = await mkdtemp(join(tmpdir(), 'tallylight-inspect-'));
    cleanUp.push(() => rm(directory, { recursive: true }));
    const redis = await startTlsRedis(directory);
    cleanUp.push(() => redis.stop());
    return redis;
  }

  /** Accepts connections and says nothing. */
  async function silent(): Promise<number> {
    const deaf = createServer(() => undefined);
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => deaf.close());
    return (deaf.address() as AddressInfo).port;
  }

  test.each<[string, () => Promise<string> | string, RegExp, RegExp]>([
    [
      'a port where nobody listens',
      () => `redis://127.0.0.1:${closedPort}`,
      /^ECONNREFUSED: /,
      /start the server/,
    ],
    [
      'a cluster where nobody listens',
      () => `redis+cluster://127.0.0.1:${closedPort}`,
      /^ECONNREFUSED: /,
      /start the server/,
    ],
    ['a name that DNS does not know', () => 'redis://redis.invalid', /^(?:ENOTFOUND|EAI_AGAIN): /, /DNS/],
    [
      'a server that does not answer',
      async () => `redis://127.0.0.1:${await silent()}`,
      /^the server accepts connections and does not answer/,
      /load and the log/,
    ],
    [
      'a certificate of nobody who is trusted',
      async () => (await tlsServer()).tlsUrl,
      /^DEPTH_ZERO_SELF_SIGNED_CERT: /,
      /NODE_EXTRA_CA_CERTS/,
    ],
    [
      'TLS where there is none',
      async () => (await server()).url.replace('redis:', 'rediss:'),
      /^[A-Z_]+: /,
      /redis:\/\/ without TLS|scheme/,
    ],
    ['no TLS where there is', async () => `redis://localhost:${(await tlsServer()).tlsPort}`, /\S/, /TLS/],
    [
      'a wrong password',
      async () => (await server({ settings: ['--requirepass', 'right'] })).url.replace('//', '//:hunter2@'),
      /refuses the user name or the password \(WRONGPASS/,
      /Correct the user name/,
    ],
    [
      'no password',
      async () => (await server({ settings: ['--requirepass', 'right'] })).url,
      /NOAUTH/,
      /Write the password/,
    ],
    [
      'a cluster that is none',
      async () => (await server()).url.replace('redis:', 'redis+cluster:'),
      /is no cluster/,
      /Write redis:\/\//,
    ],
  ])('%s', async (_what, url, why, cure) => {
    const found = await inspect(await url());
    expect(found).toEqual({
      reached: false,
      why: expect.stringMatching(why),
      cure: expect.stringMatching(cure),
    });
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });
});
