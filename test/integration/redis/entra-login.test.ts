import { afterEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { fetch } from 'undici';
import { redisEntraLogin } from '../../../src/auth/redis-login.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { redisStore, type RedisStore } from '../../../src/store/redis/client.ts';
import { newCall } from '../../conformance/store-fixtures.ts';
import { type AzureRedis, startAzureRedis } from '../../support/azure-redis.ts';
import { eventually } from '../../support/eventually.ts';
import { lasting } from '../../support/session-times.ts';

const minute = 60_000;
/** A command to a cluster may wait for a connection that never comes. */
const commandTimeoutMs = 5000;
const cleanUp: (() => Promise<unknown>)[] = [];
let logged: string[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
  logged = [];
});

const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

async function start(clustered = false): Promise<AzureRedis> {
  const azure = await startAzureRedis({ clustered });
  cleanUp.push(() => azure.stop());
  return azure;
}

function open(azure: AzureRedis): RedisStore {
  const login = redisEntraLogin(azure.config, fetch);
  const store = redisStore(azure.url, { commandTimeoutMs, login, log });
  cleanUp.push(() => store.close());
  return store;
}

function end(client: Redis): Promise<void> {
  client.disconnect();
  return Promise.resolve();
}

const faultOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => '',
    (error: unknown) => String(error),
  );
const answers = (store: RedisStore): Promise<boolean> => faultOf(store.ping()).then((fault) => fault === '');

/** Every connection that is open has logged in with another token than these. */
const movedOn = (azure: AzureRedis, from: readonly string[]): boolean =>
  azure.logins.length > 0 && azure.logins.every(({ token }) => !from.includes(token));

describe('the stand-in for Azure Managed Redis', () => {
  test('accepts tokens alone, and cuts who does not renew', async () => {
    const azure = await start();
    const { password, username } = redisEntraLogin(azure.config, fetch);
    const { value } = await password();
    const [host, port] = azure.url.replace('redis://', '').split(':');
    const client = new Redis({ host, port: Number(port), username, password: value, retryStrategy: null });
    cleanUp.push(() => end(client));
    client.on('error', () => undefined);
    expect(await client.ping()).toBe('PONG');
    const closed = new Promise((resolve) => client.once('close', resolve));
    await azure.expire([value]);
    await closed;
    expect(azure.cuts).toBe(1);
    const late = new Redis({ host, port: Number(port), username, password: value, retryStrategy: null });
    cleanUp.push(() => end(late));
    late.on('error', () => undefined);
    expect(await faultOf(late.ping())).not.toBe('');
    const nobody = new Redis({ host, port: Number(port), retryStrategy: null });
    cleanUp.push(() => end(nobody));
    nobody.on('error', () => undefined);
    expect(await faultOf(nobody.ping())).toContain('NOAUTH');
  });
});

describe.each([
  ['one server', false],
  ['a cluster', true],
])('a store on %s', (_, clustered) => {
  test('logs in with tokens, and renews them on every connection before they expire', async () => {
    const azure = await start(clustered);
    azure.lifetimeSeconds = 1;
    const store = open(azure);
    await store.ready();
    expect(Object.fromEntries(azure.requests[0]!)).toMatchObject({
      client_id: azure.config.clientId,
      scope: 'https://redis.azure.com/.default',
    });
    await store.sessions.join('session-1', lasting(minute));
    let heard = 0;
    const stop = await store.sessions.onStop(() => (heard += 1));
    const rounds = 3;
    for (let round = 0; round < rounds; round += 1) {
      const before = [...azure.issued];
      await eventually(() => azure.issued.length > before.length && movedOn(azure, before));
      await azure.expire(before);
    }
    expect(azure.cuts).toBe(0);
    expect(await store.sessions.heartbeat('session-1', [])).toEqual([]);
    expect((await store.calls.read(newCall())).state).toBeNull();
    // The subscription has a connection of its own.
    await eventually(async () => {
      await store.sessions.announceStop({ call: newCall(), epoch: null, from: 'another' });
      return heard > 0;
    });
    stop();
    expect(azure.logins.length).toBeGreaterThanOrEqual(2);
    for (const token of azure.issued) expect(logged.join()).not.toContain(token);
  });

  test('opens no connection without a token, says why, and opens it once there is one', async () => {
    const azure = await start(clustered);
    azure.isDown = true;
    const store = open(azure);
    await eventually(() => azure.requests.length >= 2);
    expect(azure.logins).toEqual([]);
    const why = 'there is no access token for it: the token endpoint answered 500';
    expect(await faultOf(store.ping())).toContain(why);
    expect(logged).toContainEqual(expect.stringContaining('could not obtain an access token for Redis'));
    expect(logged.join()).toContain('the token endpoint answered 500');
    azure.isDown = false;
    await store.ready();
    expect(await answers(store)).toBe(true);
  });

  test('that is cut when its tokens have expired comes back with the next one', async () => {
    const azure = await start(clustered);
    azure.lifetimeSeconds = 2;
    const store = open(azure);
    await store.ready();
    azure.isDown = true;
    const asked = azure.requests.length;
    await eventually(() => azure.requests.length > asked);
    await azure.expire(azure.issued);
    expect(azure.cuts).toBeGreaterThan(0);
    await eventually(async () => !(await answers(store)));
    await eventually(async () =>
      (await faultOf(store.ping())).includes(
        'there is no access token for it: the token endpoint answered 500',
      ),
    );
    azure.isDown = false;
    await eventually(() => answers(store));
  });
});

test('a token that Redis refuses before it expires is replaced', async () => {
  const azure = await start();
  const store = open(azure);
  await store.ready();
  await azure.expire(azure.issued);
  expect(azure.cuts).toBe(2);
  await eventually(() => azure.issued.length > 1);
  await eventually(() => answers(store));
  for (const token of azure.issued) expect(logged.join()).not.toContain(token);
});
