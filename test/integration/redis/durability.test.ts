import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/core/ports/log.ts';
import type { TokenMint } from '../../../src/sandbox/token-mint.ts';
import { redisStore, type RedisStore, type RedisStoreOptions } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, settingsFor } from '../../support/process.ts';
import {
  patient,
  type RedisOptions,
  replicaOf,
  startCluster,
  startRedis,
  startSentinel,
  type TestRedis,
} from '../../support/redis.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function server(options: RedisOptions = {}): Promise<TestRedis> {
  const redis = await startRedis(options);
  cleanUp.push(() => redis.stop());
  return redis;
}

const onDisk = (...settings: string[]): RedisOptions => ({ appendOnly: true, settings });
/** What a primary needs so that it stops when its only replica takes over. */
const fence = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '10'];

async function replicated(...settings: string[]): Promise<TestRedis> {
  const primary = await server(onDisk(...settings));
  await server(replicaOf(primary));
  await eventually(async () => (await primary.cli('info', 'replication')).includes('state=online'));
  return primary;
}

/** The warnings of a store that was opened with these options, without what they have in common. */
async function doubts(url: string, options: RedisStoreOptions = {}): Promise<string[]> {
  const warnings: string[] = [];
  const silent = (): void => undefined;
  const log: Log = { debug: silent, info: silent, warn: (_, text) => warnings.push(text), error: silent };
  await open(url, { ...options, log }).ready();
  return warnings.map((text) => text.replace('the store does not give all guarantees: ', ''));
}

function open(url: string, options: RedisStoreOptions): RedisStore {
  const store = redisStore(url, { ...patient, ...options });
  cleanUp.push(() => store.close());
  return store;
}

const restartForgetsAll = expect.stringMatching(/^appendonly is no: a restart loses all calls/);
const crashForgets = expect.stringMatching(/^appendfsync is everysec: a crash may lose the last changes/);
const failoverForgets = expect.stringMatching(
  /^changes are not confirmed by its replica .*: a failover may lose/,
);
const goesOn = expect.stringMatching(
  /^min-replicas-to-write is 0: a primary that is partitioned .* keeps accepting commands/,
);
const goesOnLong = expect.stringMatching(/^min-replicas-max-lag is 60: /);
const goesOnInCluster = expect.stringMatching(/^cluster-node-timeout is 20000: /);
const untold = expect.stringMatching(/does not allow CONFIG GET/);

describe('one Redis', () => {
  test.each<[string, RedisOptions, unknown[]]>([
    ['without appendonly', {}, [restartForgetsAll]],
    ['with appendfsync everysec', onDisk('--appendfsync', 'everysec'), [crashForgets]],
    ['with appendfsync always', onDisk(), []],
    ['that denies CONFIG', onDisk('--rename-command', 'CONFIG', ''), [untold]],
  ])('%s', async (_, options, expected) => {
    const redis = await server(options);
    expect(await doubts(redis.url)).toEqual(expected);
  });

  test('to a user who may not ask', async () => {
    const acl = ['--user', 'gate', 'on', '>secret', '~tallylight:*', '&tallylight:*', '+@all', '-@admin'];
    const redis = await server(onDisk(...acl));
    expect(await doubts(redis.url.replace('//', '//gate:secret@'))).toEqual([untold]);
  });
});

describe('a primary with a replica', () => {
  test.each<[string, string[], RedisStoreOptions, unknown[]]>([
    ['that nothing waits for', [], {}, [failoverForgets, goesOn]],
    ['that it needs for every write', fence, {}, [failoverForgets]],
    [
      'that may lag for a minute',
      ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '60'],
      {},
      [failoverForgets, goesOnLong],
    ],
    ['that changes wait for', [], { waitReplicas: 1 }, []],
  ])('%s', async (_, settings, options, expected) => {
    const primary = await replicated(...settings);
    expect(await doubts(primary.url, options)).toEqual(expected);
  });

  test('is doubted as long as fewer replicas are waited for than may take over', async () => {
    const primary = await replicated();
    await server(replicaOf(primary));
    await eventually(async () => (await primary.cli('info', 'replication')).includes('connected_slaves:2'));
    expect(await doubts(primary.url, { waitReplicas: 1 })).toHaveLength(2);
    expect(await doubts(primary.url, { waitReplicas: 2 })).toEqual([]);
  });

  test('behind Sentinel is doubted even while the replica is away', async () => {
    const primary = await server(onDisk());
    const sentinel = await startSentinel(primary);
    cleanUp.push(() => sentinel.stop());
    expect(await doubts(sentinel.url)).toEqual([failoverForgets, goesOn]);
    await primary.cli('config', 'set', 'min-replicas-to-write', '1');
    expect(await doubts(sentinel.url)).toEqual([failoverForgets]);
  });
});

test('a cluster whose primaries go on for long after they were replaced', async () => {
  const cluster = await startCluster();
  cleanUp.push(() => cluster.stop());
  expect(await doubts(cluster.url)).toEqual([restartForgetsAll]);
  await cluster.nodes[1]!.cli('config', 'set', 'cluster-node-timeout', '20000');
  expect(await doubts(cluster.url)).toEqual([restartForgetsAll, goesOnInCluster]);
});

describe('what cannot be promised', () => {
  test('is refused by the setting, with every reason', async () => {
    const redis = await server({ settings: ['--maxmemory', '0'] });
    const store = open(redis.url, { durability: 'require' });
    const fault: unknown = await store.ready().catch((error: unknown) => error);
    expect(fault).toBeFault('StoreUnsuitable');
    expect(String(fault)).toContain('appendonly is no');
    expect(await redis.cli('dbsize')).toBe('0');
    const primary = await replicated();
    const refusal: unknown = await open(primary.url, { durability: 'require' })
      .ready()
      .catch((error: unknown) => error);
    expect(String(refusal)).toMatch(/changes are not confirmed.*; min-replicas-to-write is 0/);
  });

  test('ends the start of a proxy by the setting', async () => {
    const redis = await server();
    const directory = await mkdtemp(join(tmpdir(), 'tallylight-durability-'));
    cleanUp.push(() => rm(directory, { recursive: true }));
    const nobody = 'http://127.0.0.1:9';
    const mint = { issuer: nobody, audience: 'api://x', jwksUri: nobody, tokenEndpoint: nobody } as TokenMint;
    const { code, output } = await failedStart({
      ...settingsFor({ mint, graph: { url: nobody }, sink: { url: nobody } }, directory),
      TALLYLIGHT_REDIS_URL: redis.url,
      TALLYLIGHT_REDIS_DURABILITY: 'require',
      TALLYLIGHT_REDIS_WAIT_REPLICAS: '1',
    });
    expect(code).toBe(1);
    expect(output).toContain('TALLYLIGHT_REDIS_URL names a server that cannot be used');
    expect(output).toContain('appendonly is no');
  });

  test('is used in silence by the setting', async () => {
    const redis = await server();
    expect(await doubts(redis.url, { durability: 'ignore' })).toEqual([]);
  });

  test('is told once, not with every connection', async () => {
    const redis = await server();
    const warnings: string[] = [];
    let connected = 0;
    const silent = (): void => undefined;
    const store = open(redis.url, {
      log: {
        debug: silent,
        info: () => (connected += 1),
        warn: (_, text) => warnings.push(text),
        error: silent,
      },
    });
    await store.ready();
    await redis.cli('client', 'kill', 'type', 'normal');
    await eventually(() => connected === 2);
    expect(warnings.filter((text) => text.includes('appendonly'))).toHaveLength(1);
  });

  test('is accepted where all is promised', async () => {
    const redis = await server(onDisk());
    await open(redis.url, { durability: 'require' }).ready();
    const primary = await replicated(...fence);
    await open(primary.url, { durability: 'require', waitReplicas: 1 }).ready();
  });
});
