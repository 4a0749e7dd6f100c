import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { VirtualRedis } from '../support/virtual-redis/server.ts';
import { virtualRedis } from '../support/virtual-redis/store.ts';

let redis: TestRedis;
let real: Redis;
let virtual: VirtualRedis;
beforeAll(async () => {
  redis = await startRedis();
  real = new Redis(redis.url, { replyMapping: 'legacy' });
});
afterAll(async () => {
  real.disconnect();
  await redis.stop();
});
beforeEach(async () => {
  await real.flushall();
  virtual = virtualRedis();
});

/** An error by its first word: the rest is for people. */
const errorOf = (error: unknown): unknown => ({ error: /^\w+/.exec((error as Error).message)?.[0] });

/** A hash comes from ioredis as a record, and its order is Redis's own affair. */
const comparable = (reply: unknown): unknown =>
  typeof reply === 'object' && reply !== null && !Array.isArray(reply) ? Object.entries(reply).flat() : reply;

const onReal = (name: string, args: readonly string[]): Promise<unknown> =>
  real.call(name, ...args).then(comparable, errorOf);

function onVirtual(name: string, args: readonly string[]): unknown {
  try {
    return virtual.command(name, ...args);
  } catch (error) {
    return errorOf(error);
  }
}

const key = fc.constantFrom('one', 'two', 'three');
const field = fc.constantFrom('a', 'b', 'ü');
const value = fc.constantFrom('', '0', '7', '-3', 'text');
const later = fc.constantFrom('1', '4000000000000', '4000000000001');
const score = fc.constantFrom('1', '1', '2', '1900000000000');

const argumentsOf: Readonly<Record<string, fc.Arbitrary<readonly string[]>>> = {
  exists: fc.tuple(key),
  del: fc.tuple(key, key),
  get: fc.tuple(key),
  set: fc.oneof(
    fc.tuple(key, value, fc.constant('NX'), fc.constant('GET')),
    fc.tuple(key, value, fc.constant('PX'), fc.constantFrom('60000', '0')),
  ),
  hget: fc.tuple(key, field),
  hmget: fc.tuple(key, field, field),
  hset: fc.oneof(fc.tuple(key, field, value), fc.tuple(key, field, value, field, value)),
  hsetnx: fc.tuple(key, field, value),
  hdel: fc.tuple(key, field, field),
  hincrby: fc.tuple(key, field, fc.constantFrom('1', '-1')),
  hgetall: fc.tuple(key),
  pexpireat: fc.tuple(key, later),
  pexpire: fc.tuple(key, fc.constantFrom('0', '-1')),
  pexpiretime: fc.tuple(key),
  persist: fc.tuple(key),
  zadd: fc.oneof(fc.tuple(key, score, field), fc.tuple(key, fc.constant('XX'), score, field)),
  zrem: fc.tuple(key, field),
  zrange: fc
    .tuple(key, score, fc.constantFrom('0', '1', '2', '-1'))
    .map(([name, most, count]) => [name, '-inf', most, 'BYSCORE', 'LIMIT', '0', count, 'WITHSCORES']),
  xlen: fc.tuple(key),
  xdel: fc.tuple(key, fc.constant('1-1')),
  xread: fc.tuple(key, key).map((names) => ['COUNT', '1', 'STREAMS', ...names, ...names.map(() => '0')]),
  xrange: fc.tuple(key).map(([name]) => [name, '-', '+', 'COUNT', '3']),
  nonsense: fc.tuple(key),
};

const commands = fc.array(
  fc.oneof(...Object.entries(argumentsOf).map(([name, args]) => fc.tuple(fc.constant(name), args))),
  { minLength: 5, maxLength: 60 },
);

/** Without what the order of a hash and the moment of a command decide. */
function settled(name: string, reply: unknown): unknown {
  if (name === 'hgetall' && Array.isArray(reply)) return reply.toSorted();
  return name === 'pexpiretime' && Number(reply) > 0 && Number(reply) < 4e12 ? 'soon' : reply;
}

describe('a virtual Redis', () => {
  test('answers every sequence of commands as Redis does', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        await real.flushall();
        virtual = virtualRedis();
        for (const [name, args] of sequence) {
          const expected = await onReal(name, args);
          expect([name, args, settled(name, onVirtual(name, args))]).toEqual([
            name,
            args,
            settled(name, expected),
          ]);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('adds to a stream, and takes from it, as Redis does', async () => {
    const onBoth = async (name: string, ...args: readonly string[]): Promise<void> => {
      const seen = { real: await onReal(name, args), virtual: onVirtual(name, args) };
      // Entries are named by the time, which goes on between the two.
      const text = JSON.stringify(seen.real).replaceAll(/\d+-\d+/g, '#');
      expect(JSON.stringify(seen.virtual).replaceAll(/\d+-\d+/g, '#')).toBe(text);
    };
    for (const text of ['first', 'second', 'third']) await onBoth('xadd', 'stream', '*', 'record', text);
    await onBoth('xrange', 'stream', '-', '+', 'COUNT', '2');
    await onBoth('xread', 'COUNT', '1', 'STREAMS', 'none', 'stream', '0', '0');
    for (const server of [onReal, onVirtual]) {
      const [first] = (await server('xrange', ['stream', '-', '+', 'COUNT', '1'])) as [[string]];
      const one = ['stream', first[0], first[0], 'COUNT', '1'];
      expect(await server('xrange', one)).toEqual([first]);
      expect(await server('xdel', ['stream', first[0]])).toBe(1);
      expect(await server('xrange', one)).toEqual([]);
      expect(await server('xdel', ['stream', first[0]])).toBe(0);
    }
    await onBoth('xrange', 'stream', '-', '+', 'COUNT', '9');
    await onBoth('xlen', 'stream');
    await onBoth('exists', 'stream');
  });

  test.each([
    'return 1.9',
    'return -1.9',
    'return 1900000000123',
    "return tonumber('1900000000123') + 1",
    "return {1, 'two', {3, 'four'}, nil, 5}",
    "return {false, true, 'text'}",
    'return true',
    'return false',
    'return nil',
    "return string.format('%.0f', '1900000000' * 1000 + math.floor('123456' / 1000))",
    "return {string.format('%.0f', math.max(tonumber('1900000000123'), 1900000000122 + 1))}",
    "redis.call('HSET', KEYS[1], 'a', 1900000000000 + 1, 'b', 0.5, 'c', -1) return redis.call('HMGET', KEYS[1], 'a', 'b', 'c', 'd')",
    "return {redis.call('GET', KEYS[1]) == false, redis.call('HGET', KEYS[1], 'a')}",
    "return redis.call('HINCRBY', KEYS[1], 'a', -1)",
    "return redis.call('SET', KEYS[1], 'x', 'PX', 1000)",
    "redis.call('HSET', KEYS[1], 'a', '1') return redis.call('GET', KEYS[1])",
    "redis.call('HSET', KEYS[1], 'a', '1') return type(redis.pcall('GET', KEYS[1]).err)",
    "redis.call('HSET', KEYS[1], 'a', '1') return redis.pcall('GET', KEYS[1])",
    "return redis.call('NONSENSE')",
    'return redis.call(KEYS)',
    `local found = {} for name, number in pairs(cjson.decode(ARGV[1])) do found[#found + 1] = name .. string.format('%.0f', number + 1) end table.sort(found) return found`,
    'local list = cjson.decode(\'["a","b"]\') return {#list, list[1], list[2]}',
    'local one, two = unpack(ARGV) return {one, two}',
    "return {string.match('run_id:abc12\\r\\n', 'run_id:(%w+)'), string.rep('0', 3)}",
    "local _, count = string.gsub(redis.call('INFO', 'server', 'replication', 'persistence'), 'run_id:%x+\\r\\n', '') return count",
    "return string.match(redis.call('INFO', 'server', 'replication'), 'master_replid2:(%w+)')",
    "local time = redis.call('TIME') return {type(time[1]), type(time[2]), #time}",
    "return {redis.call('PEXPIRETIME', KEYS[1]), redis.call('PUBLISH', 'channel', 'text')}",
  ])('runs Lua as Redis does: %s', async (lua) => {
    const args = ['{"a":1,"b":1900000000123}', 'näive'];
    const expected = await real.eval(lua, 1, 'key', ...args).catch(errorOf);
    const found = ((): unknown => {
      try {
        return virtual.script({ lua }, ['key'], args);
      } catch (error) {
        return errorOf(error);
      }
    })();
    expect(found).toEqual(expected);
  });
});
