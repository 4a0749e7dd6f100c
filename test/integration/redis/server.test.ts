import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { Log } from '../../../src/core/ports/log.ts';
import { redisStore, type RedisStore, type RedisStoreOptions } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { aclLine, neededCommands } from '../../../src/store/redis/permissions.ts';
import { assertSuitable } from '../../../src/store/redis/suitable.ts';
import { minute, move, newCall, recordingCall, tally } from '../../conformance/store-fixtures.ts';
import { eventually } from '../../support/eventually.ts';
import { patient, startRedis, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function server(...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis({ settings });
  cleanUp.push(() => redis.stop());
  return redis;
}

function open(url: string, options: RedisStoreOptions = {}): RedisStore {
  const store = redisStore(url, { ...patient, ...options });
  cleanUp.push(() => store.close());
  return store;
}

const faultOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

/** A server that answers INFO, and CONFIG GET where it is given what. */
const told = (info: string, config?: readonly string[]): Redis =>
  ({
    info: () => Promise.resolve(info),
    call: () =>
      config === undefined
        ? Promise.reject(Object.assign(new Error('unknown command'), { name: 'ReplyError' }))
        : Promise.resolve(config),
  }) as unknown as Redis;

const policyName = 'maxmemory-policy';

describe('a Redis whose INFO tells no eviction policy', () => {
  const info = 'redis_version:7.2.4\r\n';

  test('is asked by CONFIG GET', async () => {
    await assertSuitable(told(info, [policyName, 'noeviction']));
    const fault = await faultOf(assertSuitable(told(info, [policyName, 'allkeys-lru'])));
    expect(fault).toBeFault('StoreUnsuitable');
    expect(String(fault)).toContain('allkeys-lru');
  });

  test.each<[string, readonly string[] | undefined]>([
    ['does not allow CONFIG GET', undefined],
    ['leaves it out there as well', []],
  ])('and %s is refused, unless the operator vouches for it', async (_, config) => {
    expect(String(await faultOf(assertSuitable(told(info, config))))).toContain(
      'TALLYLIGHT_REDIS_NOEVICTION=vouched',
    );
    await assertSuitable(told(info, config), 'vouched');
  });

  test('is not vouched for where it tells something else', async () => {
    const evicting = [
      told(info, [policyName, 'volatile-lru']),
      told(`${info}maxmemory_policy:volatile-lru\r\n`, [policyName, 'noeviction']),
    ];
    for (const server of evicting)
      expect(String(await faultOf(assertSuitable(server, 'vouched')))).toContain('volatile-lru');
  });
});

describe('a Redis that cannot be used safely', () => {
  test.each(['allkeys-lru', 'volatile-ttl'])('is refused: maxmemory-policy %s', async (policy) => {
    const redis = await server('--maxmemory-policy', policy);
    const store = open(redis.url);
    expect(await faultOf(store.ready())).toBeFault('StoreUnsuitable');
    expect(await faultOf(store.ready())).toBeFault('StoreUnsuitable');
    // Whoever works with a store knows one fault: it gives nothing.
    const fault = await faultOf(store.calls.read(newCall()));
    expect(fault).toBeFault('StoreUnavailable');
    expect(String(fault)).toContain(policy);
    expect(await redis.cli('dbsize')).toBe('0');
  });

  test.each([
    ['redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n', '6.2.14'],
    ['maxmemory_policy:noeviction\r\n', 'version'],
    ['redis_version:7.0.0\r\n', 'maxmemory-policy'],
  ])('is refused: %j', async (info, named) => {
    const fault = await faultOf(assertSuitable(told(info)));
    expect(fault).toBeFault('StoreUnsuitable');
    expect(String(fault)).toContain(named);
  });

  test.each(['7.0.0', '7.4.1', '8.2.0', '10.0.0'])(
    'is not one of version %s that keeps its keys',
    async (version) => {
      const info = `# Server\r\nredis_version:${version}\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n`;
      await assertSuitable(told(info));
    },
  );

  test('is noticed when it takes the place of one that could', async () => {
    const redis = await server();
    const store = open(redis.url);
    await store.ready();
    await redis.cli('config', 'set', 'maxmemory-policy', 'allkeys-random');
    await redis.cli('client', 'kill', 'type', 'normal');
    // Either the connection is not judged yet, or it is refused: nothing gets through meanwhile.
    for (;;) {
      const fault = await faultOf(store.ping());
      expect(fault).toBeInstanceOf(Error);
      if (String(fault).includes('allkeys-random')) break;
      await new Promise(setImmediate);
    }
    expect(await faultOf(store.ready())).toBeFault('StoreUnsuitable');
  });
});

describe('a Redis that is mended', () => {
  test('is taken without a new connection, and was complained about once', async () => {
    const redis = await server('--maxmemory-policy', 'allkeys-lru');
    const errors: string[] = [];
    const silent = (): void => undefined;
    const log = {
      debug: silent,
      info: silent,
      warn: silent,
      error: (_: unknown, text: string) => errors.push(text),
    };
    const store = open(redis.url, { log });
    expect(await faultOf(store.ready())).toBeFault('StoreUnsuitable');
    await redis.cli('config', 'set', 'maxmemory-policy', 'volatile-lru');
    await eventually(() => errors.length === 2);
    await redis.cli('config', 'set', 'maxmemory-policy', 'noeviction');
    await eventually(() =>
      store.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(errors).toEqual([
      expect.stringContaining('maxmemory-policy is allkeys-lru'),
      expect.stringContaining('maxmemory-policy is volatile-lru'),
    ]);
  });
});

describe('the user the store connects as', () => {
  const rights = ['~tallylight:*', '&tallylight:*', '+@all', '-@admin', '-@dangerous', '+info'];

  test('needs neither CONFIG nor other dangerous commands, nor other keys and channels', async () => {
    const redis = await server();
    await redis.cli('acl', 'setuser', 'gate', 'on', '>s3cret/word', ...rights);
    const store = open(redis.url.replace('//', '//gate:s3cret%2Fword@'));
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    const { call } = await recordingCall(store);
    expect(await store.calls.acquire(call, 'session-1')).toMatchObject({ state: 'recording' });
    expect(await store.sessions.revoke('session-1', { call, epoch: 1 })).toEqual(expect.any(Number));
    expect(await store.outbox.depth()).toBe(2);
  });

  /** Grants what the line says, after what it takes away. */
  const userWith = async (redis: TestRedis, ...changes: readonly string[]): Promise<string> => {
    const granted = aclLine('tallylight').split(' ').slice(3);
    await redis.cli('acl', 'setuser', 'gate', 'reset', 'on', '>secret', ...granted, ...changes);
    return redis.url.replace('//', '//gate:secret@');
  };
  const logTo = (said: string[]): Log => {
    const note = (_: unknown, text: string): void => void said.push(text);
    return { debug: () => undefined, info: () => undefined, warn: note, error: note };
  };
  test.each(neededCommands)('is refused without %s, which is named with the line', async (command) => {
    const redis = await server();
    const store = open(await userWith(redis, `-${command.toLowerCase()}`));
    const fault = await faultOf(store.ready());
    expect(fault).toBeFault('StoreUnsuitable');
    expect(String(fault)).toContain(`its user may not run ${command};`);
    expect(String(fault)).toContain(aclLine('tallylight'));
    expect(String(fault)).not.toContain('secret');
  });

  test('is refused without the keys, which are named', async () => {
    const redis = await server();
    const store = open(await userWith(redis, 'resetkeys', '~other:*'));
    const fault = await faultOf(store.ready());
    expect(fault).toBeFault('StoreUnsuitable');
    expect(String(fault)).toContain('its user may not use the keys tallylight:*; ');
  });

  test('is told once, and not at every connection, what is worse without channels', async () => {
    const redis = await server();
    const said: string[] = [];
    const store = open(await userWith(redis, 'resetchannels'), { log: logTo(said) });
    await store.ready();
    const connected = (): Promise<unknown> =>
      eventually(() =>
        store.ping().then(
          () => true,
          () => false,
        ),
      );
    for (let n = 0; n < 3; n += 1) {
      await redis.cli('client', 'kill', 'type', 'normal');
      await connected();
    }
    expect(said.filter((text) => text.includes('ACL SETUSER'))).toEqual([
      expect.stringMatching(/^the Redis user may not use the channels tallylight:\*: .* &tallylight:\*/),
    ]);
  });

  test('needs no more than the rights that the documents name', async () => {
    const page = await readFile(new URL('../../../docs/operate/redis-user.md', import.meta.url), 'utf8');
    const [, documented = ''] = /ACL SETUSER <user> (.*)/.exec(page) ?? [];
    const redis = await server();
    await redis.cli('acl', 'setuser', 'tallylight', 'on', '>password', ...documented.trim().split(' '));
    const store = open(redis.url.replace('//', '//tallylight:password@'), { waitReplicas: 0 });
    await store.ready();
    await store.sessions.onWake('session-1', () => undefined);
    expect(await store.sessions.join('session-1', lasting(minute))).toBe('joined');
    const { call, epoch } = await recordingCall(store);
    expect(await store.calls.acquire(call, 'session-1')).toMatchObject({ state: 'recording' });
    await store.calls.leave(call, { session: 'session-1', epoch }, tally());
    await store.sessions.revoke('session-1', { call, epoch });
    expect(await store.sessions.heartbeat('session-1', [{ call, epoch }])).toEqual([]);
    await move(store, call, 'idle', { retentionMs: 0, dropTallies: true });
    await store.calls.touch([call]);
    expect(await store.calls.idle(0, 5)).toEqual([call]);
    expect((await store.calls.census()).recording).toBe(0);
    expect(await store.outbox.claimSink('sink')).toBe('sink');
    expect(await store.outbox.lease('writer', minute)).toBe(true);
    await store.outbox.remove(await store.outbox.pending(10));
    expect(await store.outbox.depth()).toBe(0);
    await store.outbox.release('writer');
    expect(await store.calls.sweep(10)).toBe(1);
    await store.sessions.quit('session-1');
  });

  test('is not named with its password when it is refused', async () => {
    const redis = await server('--requirepass', 'right');
    const said: string[] = [];
    const note = (facts: unknown, text: string): void => void said.push(JSON.stringify(facts) + text);
    const store = open(redis.url.replace('//', '//:wrong-s3cret@'), {
      log: { debug: note, info: note, warn: note, error: note },
    });
    while (said.length === 0) await new Promise(setImmediate);
    const fault = await faultOf(store.ping());
    expect(fault).toBeFault('StoreUnavailable');
    expect(said.join()).toContain('WRONGPASS');
    expect(said.join() + String(fault)).not.toContain('s3cret');
  });
});

test('every command is counted, with its name and whether it succeeded', async () => {
  const redis = await server();
  const counted: [string, boolean][] = [];
  const store = open(redis.url, {
    meter: {
      storeCommand: (name, seconds, ok) => {
        if (seconds >= 0) counted.push([name, ok]);
      },
    },
  });
  await store.ready();
  await store.sessions.join('session-1', lasting(minute));
  counted.length = 0;
  const call = newCall();
  await move(store, call, 'recording');
  await store.calls.acquire(call, 'session-1');
  await store.sessions.heartbeat('session-1', [{ call, epoch: 1 }]);
  await store.outbox.lease('one', minute);
  await redis.kill('SIGKILL');
  await faultOf(store.ping());
  expect(counted).toEqual([
    // The format of the store, once for each connection.
    ['get', true],
    ['read', true],
    ['commit', true],
    ['acquire', true],
    ['heartbeat', true],
    ['lease', true],
    ['ping', false],
  ]);
});

describe('who drains the outbox', () => {
  test('asks nothing while nothing is committed, and is told what others commit', async () => {
    const redis = await server();
    let asked: string[] = [];
    const store = open(redis.url, { meter: { storeCommand: (name) => asked.push(name) } });
    const other = open(redis.url);
    await Promise.all([store.ready(), other.ready()]);
    await other.sessions.join('session-1', lasting(minute));
    await store.outbox.lease('one', minute);
    await eventually(async () => {
      asked = [];
      return (await store.outbox.pending(10)).length === 0 && asked.length === 0;
    });
    await recordingCall(other);
    await eventually(async () => (await store.outbox.pending(10)).length === 2);
    expect(new Set(asked)).toEqual(new Set(['xrange']));
    await store.outbox.release('one');
    expect(await redis.cli('pubsub', 'channels')).toBe('');
  });

  test('looks for what it is not told of, where channels are forbidden', async () => {
    const redis = await server();
    await redis.cli('acl', 'setuser', 'gate', 'on', '>word', '~tallylight:*', '+@all');
    const store = open(redis.url.replace('//', '//gate:word@'));
    const other = open(redis.url.replace('//', '//gate:word@'));
    await Promise.all([store.ready(), other.ready()]);
    await other.sessions.join('session-1', lasting(minute));
    await store.outbox.lease('one', minute);
    expect(await store.outbox.pending(10)).toEqual([]);
    await recordingCall(other);
    await eventually(async () => (await store.outbox.pending(10)).length === 2);
  });
});

test('a wake-up that says nothing known is one all the same', async () => {
  const redis = await server();
  const store = open(redis.url);
  await store.ready();
  const woken: unknown[] = [];
  await store.sessions.onWake('session-1', (revocation) => woken.push(revocation));
  const { call } = await recordingCall(store);
  for (const message of ['', 'x', '1', `x ${call}`, '1 call', `1 ${call}`])
    await redis.cli('publish', 'tallylight:wake:session-1', message);
  await eventually(() => woken.length === 6);
  expect(woken).toEqual([...Array.from({ length: 5 }, () => undefined), { call, epoch: 1 }]);
});

describe('what is stored', () => {
  const keys = keysWith('tallylight');

  test('never expires by itself', async () => {
    const redis = await server();
    const store = open(redis.url);
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    const { call, epoch } = await recordingCall(store);
    await store.calls.acquire(call, 'session-1');
    await store.calls.leave(call, { session: 'session-2', epoch }, tally());
    await move(store, call, 'idle', { retentionMs: minute });
    await store.sessions.revoke('session-1', { call, epoch });
    await store.sessions.heartbeat('session-1', []);
    await store.outbox.lease('one', minute);
    await store.outbox.claimSink('sink');
    const names = (await redis.cli('--scan')).split('\n');
    expect(names.length).toBeGreaterThan(256);
    const times = await Promise.all(names.slice(0, 600).map((name) => redis.cli('pexpiretime', name)));
    expect(new Set(times)).toEqual(new Set(['-1']));
  });

  test.each([
    ['value', '{"state":"recording"'],
    ['value', '{"state":"wide open","epoch":1}'],
    ['value', '[]'],
    ['version', 'latest'],
  ])('and malformed, in the field %s, is a fault of its own', async (field, content) => {
    const redis = await server();
    const store = open(redis.url);
    await store.ready();
    const call = newCall();
    await move(store, call, 'starting');
    await redis.cli('hset', keys.call(call).call, field, content);
    const fault = await faultOf(store.calls.read(call));
    expect(fault).toBeFault('Internal');
    expect(String(fault)).not.toContain(content);
  });

  test('and malformed, in the outbox, is a fault of its own', async () => {
    const redis = await server();
    const store = open(redis.url);
    await store.ready();
    await redis.cli('xadd', keys.shard(7).outbox, '*', 'record', '{"seq":"one"}');
    expect(await faultOf(store.outbox.pending(1))).toBeFault('Internal');
  });

  test('has no key outside the prefix, which cannot hold what would move a key to another slot', async () => {
    const redis = await server();
    const store = open(redis.url, { prefix: 'one:two' });
    await store.ready();
    await store.sessions.join('session-1', lasting(minute));
    await recordingCall(store);
    await store.outbox.lease('one', minute);
    await store.outbox.claimSink('sink');
    const names = (await redis.cli('--scan')).split('\n');
    expect(names.filter((name) => !name.startsWith('one:two:{'))).toEqual([]);
    for (const prefix of ['', 'a{b}', 'a b'])
      expect(await faultOf(Promise.resolve().then(() => redisStore(redis.url, { prefix })))).toBeFault(
        'ConfigurationInvalid',
      );
  });
});
