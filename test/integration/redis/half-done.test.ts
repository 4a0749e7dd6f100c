import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Store } from '../../../src/core/ports/store.ts';
import { redisStore } from '../../../src/store/redis/client.ts';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { type Script, scripts } from '../../../src/store/redis/scripts.ts';
import { commitOn, minute, move, newCall } from '../../conformance/store-fixtures.ts';
import { patient, startRedis, type TestRedis } from '../../support/redis.ts';
import { lasting } from '../../support/session-times.ts';

let redis: TestRedis;
let admin: Redis;
beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});

const keys = keysWith('tallylight');

/** Everything that is stored, in a form that shows any difference. */
async function everything(): Promise<Record<string, string>> {
  const found = (await admin.keys('*')).sort();
  const values = (await admin.eval(dumpAll, found.length, ...found)) as string[];
  return Object.fromEntries(found.map((name, n) => [name, values[n] ?? '']));
}
const dumpAll = `local found = {}
for n, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then value = redis.call('XRANGE', key, '-', '+')
  else value = kind end
  found[n] = cjson.encode(value)
end
return found`;

const call = newCall();
const { members, layout, lease, sink, holds, acks } = keys;
const named: Readonly<Record<string, string>> = {
  ...keys.call(call),
  ...keys.session('session-1'),
  ...{ members, layout, lease, sink, holds, acks },
};
const key = (name: string): string => named[name] ?? '';

/** Each script in a state where it writes all that it can write. */
interface Scene {
  readonly before: (store: Store) => Promise<unknown>;
  readonly args?: Readonly<Record<string, string>>;
}

const joined = (store: Store): Promise<unknown> => store.sessions.join('session-1', lasting(minute));
const recorded = async (store: Store): Promise<void> => {
  await joined(store);
  await move(store, call, 'starting');
  await move(store, call, 'recording');
};
/** The shard is as if another server had written it, so that a new life begins with whatever comes next. */
const anotherLife = async (store: Store): Promise<void> => {
  await recorded(store);
  await admin.hset(key('shard'), 'run', 'another');
  await admin.del(key('mark'));
};
const held = async (store: Store): Promise<void> => {
  await recorded(store);
  await store.calls.acquire(call, 'session-1');
};
/** In the life in which the shard of the call is. */
const holdsKnown = async (store: Store): Promise<void> => {
  await recorded(store);
  await admin.hset(key('holds'), 'life', (await admin.hget(key('shard'), 'life')) ?? '');
};
const held1 = {
  ...{ operation: 'other', number: '0', following: '1', value: '{}', line: '{}' },
  ...{ evidence: 'e', part: '1', channel: 'c' },
};
const times = { ttlMs: '5', graphTimeoutMs: '5', ttlMaxMs: '3600000', graphTimeoutMaxMs: '3600000' };
const change = {
  ...{ operation: 'other', state: 'idle', epoch: '5', binding: 'null', value: '{}', record: '{}' },
  ...{ dropTallies: '1', id: call, channel: 'tallylight:evidence', part: '1' },
};

const scenes: Readonly<Record<keyof typeof scripts, Scene>> = {
  read: { before: anotherLife },
  commit: { before: held, args: { ...change, retentionMs: '', listed: '1' } },
  commitClosing: { before: held, args: { ...change, retentionMs: '5', listed: '0' } },
  acquire: { before: recorded, args: { session: 'session-1', open: 'recording', ...times } },
  leave: {
    before: held,
    args: { session: 'session-1', epoch: '1900000000000', name: '5 session-1', tally: '{}', how: 'HSET' },
  },
  touch: { before: recorded, args: { ids: JSON.stringify([call]) } },
  idle: { before: recorded, args: { forMs: '0', limit: '5' } },
  due: { before: recorded, args: { limit: '5' } },
  sweep: {
    before: async (store) => {
      await held(store);
      await move(store, call, 'idle', { retentionMs: 0 });
    },
    args: { id: call },
  },
  begin: { before: recorded, args: { kept: '1' } },
  settle: { before: recorded },
  enrol: { before: () => Promise.resolve(), args: { session: 'session-1', ...times } },
  join: { before: joined },
  heartbeat: {
    before: async (store) => {
      await joined(store);
      await store.sessions.revoke('session-1', { call, epoch: 5 });
    },
    args: { done: JSON.stringify({ [call]: 5 }) },
  },
  revoke: { before: joined, args: { call, epoch: '5', channel: 'c', message: 'm' } },
  lease: { before: joined, args: { owner: 'one', forMs: '5', rival: '', beat: '0', stoodMs: '0' } },
  release: {
    before: async (store) => {
      await joined(store);
      await store.outbox.lease('one', minute);
    },
    args: { owner: 'one' },
  },
  claim: { before: joined, args: { wanted: 'sink', insteadOf: '' } },
  holds: { before: recorded, args: { session: 'session-1', acknowledged: '1 life' } },
  hold: { before: holdsKnown, args: held1 },
  holdClosing: { before: holdsKnown, args: held1 },
  report: {
    before: joined,
    args: {
      ...{ instance: 'one', beat: '1', lines: '[[1,"{}"]]', gone: '[]', last: '1' },
      ...{ channel: 'c', shard: '0' },
    },
  },
};
const names = Object.keys(scenes) as (keyof typeof scripts)[];

/** What a script may write, with the commands for each key, as its first lines say. */
const needsOf = (
  name: keyof typeof scripts,
): { readonly of: string; readonly commands: readonly string[] }[] => {
  const asked = [...scripts[name].lua.matchAll(/^ready\(([\s\S]*?)\)$/gm)].at(-1)?.[1] ?? '';
  return [...asked.matchAll(/\{ (\w+), '\w+'([^}]*)\}/g)].map(([, of = '', commands = '']) => ({
    of,
    commands: [...commands.matchAll(/'([A-Z]+)'|\bhow\b/g)].map(([, command]) => command ?? 'HSET'),
  }));
};

let store: Store;
let gate: Redis;
beforeEach(async () => {
  await admin.flushall();
  await admin.acl('SETUSER', 'gate', 'reset', 'on', '>word', '~*', '&*', '+@all');
  const opened = redisStore(redis.url, patient);
  await opened.ready();
  store = opened;
  gate = new Redis(redis.url, { username: 'gate', password: 'word' });
});
afterEach(async () => {
  gate.disconnect();
  await store.close();
});

/** Runs one script, and nothing else, as the user whose rights are taken away. */
async function run(name: keyof typeof scripts): Promise<unknown> {
  const script: Script = scripts[name];
  const [version, life] = [await admin.hget(key('call'), 'version'), await admin.hget(key('shard'), 'life')];
  const args: Readonly<Record<string, string>> = {
    ...{ seen: '0', elapsed: '5', version: version ?? '0', life: life ?? '' },
    ...scenes[name].args,
  };
  const given = [...script.keys.map(key), ...script.args.map((arg) => args[arg] ?? '')];
  return gate.eval(script.lua, script.keys.length, ...given);
}

describe('a script that is refused anywhere leaves nothing behind', () => {
  const refused = names.flatMap((name) =>
    needsOf(name).flatMap(({ of, commands }) => commands.map((command) => [name, command, of] as const)),
  );

  test('which is tried for every script', () => {
    expect(names.filter((name) => needsOf(name).length === 0)).toEqual([]);
  });

  test.each(refused)('%s, with %s on its %s refused by the access list', async (name, command, of) => {
    await scenes[name].before(store);
    await admin.acl('SETUSER', 'gate', `-${command.toLowerCase()}`);
    const before = await everything();
    await expect(run(name)).rejects.toThrow(/NOPERM|permission/i);
    expect(await everything()).toEqual(before);
    // Nothing else was in its way.
    await admin.acl('SETUSER', 'gate', '+@all');
    await run(name);
    expect(script(name).keys).toContain(of);
    if (name !== 'read') expect(await everything()).not.toEqual(before);
  });

  test.each(names.flatMap((name) => needsOf(name).map(({ of }) => [name, of] as const)))(
    '%s, with a value of the wrong type where its %s should be',
    async (name, of) => {
      await scenes[name].before(store);
      await admin.del(key(of));
      await admin.sadd(key(of), 'wrong');
      const before = await everything();
      await expect(run(name)).rejects.toThrow('WRONGTYPE');
      expect(await everything()).toEqual(before);
    },
  );

  test('so that a stop is stored with its record or not at all', async () => {
    await recorded(store);
    const limited = redisStore(redis.url.replace('//', '//gate:word@'), patient);
    try {
      await limited.ready();
      await admin.acl('SETUSER', 'gate', '-xadd');
      const stop = commitOn(await limited.calls.read(call), call, 'stopping');
      const fault: unknown = await limited.calls.commit(stop).catch((error: unknown) => error);
      expect(fault).toBeFault('StoreUnavailable');
      expect((await store.calls.read(call)).state?.state).toBe('recording');
      expect(await store.outbox.depth()).toBe(2);
      await admin.acl('SETUSER', 'gate', '+xadd');
      expect(await limited.calls.commit(stop)).toBe(true);
      expect(await store.outbox.depth()).toBe(3);
    } finally {
      await limited.close();
    }
  });
});

const script = (name: keyof typeof scripts): Script => scripts[name];

test.each(['call', 'holders'] as const)(
  'a batch of first grants in which one %s is something else leaves nothing of any',
  async (kind) => {
    await recorded(store);
    const other = keys.call(newCall());
    await admin.set(other[kind], 'something else');
    const before = await everything();
    const { lua, keys: of, args } = scripts.acquire;
    const given: Readonly<Record<string, string>> = {
      ...{ session: 'session-1', open: 'recording', seen: '0', elapsed: '0' },
      ...times,
    };
    const names = [...of.map(key), other.call, other.holders];
    const run = admin.eval(lua, names.length, ...names, ...args.map((name) => given[name] ?? ''));
    await expect(run).rejects.toThrow('WRONGTYPE');
    expect(await everything()).toEqual(before);
  },
);
