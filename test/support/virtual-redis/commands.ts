import type { Keyspace, StreamId } from './keyspace.ts';
import { RedisError, type Reply } from './reply.ts';

type Command = (data: Keyspace, args: readonly string[], now: number) => Reply;

const wrongArguments = (): never => {
  throw new RedisError('ERR syntax error, or not known here');
};

function integer(text: string | undefined): number {
  const number = Number(text);
  if (text === undefined || text === '' || !Number.isSafeInteger(number))
    throw new RedisError('ERR value is not an integer or out of range');
  return number;
}

const fieldsOf = (data: Keyspace, key: string): ReadonlyMap<string, string> =>
  data.get(key, 'hash')?.fields ?? new Map<string, string>();

const scoresOf = (data: Keyspace, key: string): ReadonlyMap<string, number> =>
  data.get(key, 'zset')?.scores ?? new Map<string, number>();

/** Takes items out of a copy; how many were there. */
function without<Item>(
  map: ReadonlyMap<string, Item>,
  names: readonly string[],
): [Map<string, Item>, number] {
  const left = new Map(map);
  return [left, names.filter((name) => left.delete(name)).length];
}

function setFields(data: Keyspace, key: string, pairs: readonly string[]): number {
  if (pairs.length === 0 || pairs.length % 2 !== 0) wrongArguments();
  const fields = new Map(fieldsOf(data, key));
  const before = fields.size;
  for (let index = 0; index < pairs.length; index += 2) fields.set(pairs[index]!, pairs[index + 1]!);
  data.set(key, { kind: 'hash', fields });
  return fields.size - before;
}

const idText = ({ ms, seq }: StreamId): string => `${ms}-${seq}`;

/** By score, then by name; as Redis orders them. */
function inOrder(scores: ReadonlyMap<string, number>): [string, number][] {
  return [...scores].sort(([a, one], [b, other]) => one - other || (a < b ? -1 : 1));
}

function set(data: Keyspace, [key, text, ...options]: readonly string[], now: number): Reply {
  if (key === undefined || text === undefined) return wrongArguments();
  const [first, second] = options;
  if (options.length === 0) {
    data.delete(key);
    data.set(key, { kind: 'string', text });
    return 'OK';
  }
  if (options.length === 2 && first === 'NX' && second === 'GET') {
    const before = data.get(key, 'string')?.text ?? null;
    if (before === null) data.set(key, { kind: 'string', text });
    return before;
  }
  if (options.length !== 2 || first !== 'PX') return wrongArguments();
  const forMs = integer(second);
  if (forMs <= 0) throw new RedisError("ERR invalid expire time in 'set' command");
  data.delete(key);
  data.set(key, { kind: 'string', text });
  data.expire(key, now + forMs);
  return 'OK';
}

function zrange(data: Keyspace, args: readonly string[]): Reply {
  const [key, least, most, ...options] = args;
  const [by, limit, offset, count, scores] = options;
  const known = by === 'BYSCORE' && limit === 'LIMIT' && options.length >= 4 && options.length <= 5;
  if (key === undefined || least !== '-inf' || !known || offset !== '0') return wrongArguments();
  if (scores !== undefined && scores !== 'WITHSCORES') return wrongArguments();
  const highest = Number(most);
  const found = inOrder(scoresOf(data, key)).filter(([, score]) => score <= highest);
  const wanted = integer(count);
  return (wanted < 0 ? found : found.slice(0, wanted)).flatMap(([name, score]) =>
    scores === undefined ? [name] : [name, String(score)],
  );
}

function xadd(data: Keyspace, [key, star, ...fields]: readonly string[], now: number): Reply {
  if (key === undefined || star !== '*' || fields.length === 0 || fields.length % 2 !== 0)
    return wrongArguments();
  const { last, entries } = data.get(key, 'stream') ?? { last: { ms: 0, seq: 0 }, entries: [] };
  const id = now > last.ms ? { ms: now, seq: 0 } : { ms: last.ms, seq: last.seq + 1 };
  data.set(key, { kind: 'stream', last: id, entries: [...entries, { id, fields }] });
  return idText(id);
}

function xdel(data: Keyspace, [key = '', ...ids]: readonly string[]): Reply {
  const stream = data.get(key, 'stream');
  if (stream === undefined) return 0;
  const entries = stream.entries.filter(({ id }) => !ids.includes(idText(id)));
  if (entries.length < stream.entries.length) data.set(key, { ...stream, entries });
  return stream.entries.length - entries.length;
}

function zadd(data: Keyspace, [key = '', ...args]: readonly string[]): Reply {
  const onlyKnown = args[0] === 'XX';
  const [score, name, ...more] = onlyKnown ? args.slice(1) : args;
  if (name === undefined || more.length > 0 || !Number.isFinite(Number(score))) return wrongArguments();
  const scores = new Map(scoresOf(data, key));
  const isKnown = scores.has(name);
  if (onlyKnown && !isKnown) return 0;
  data.set(key, { kind: 'zset', scores: scores.set(name, Number(score)) });
  return isKnown ? 0 : 1;
}

/** What the store and its scripts use, as they use it; anything else is an error. */
export const commands: Readonly<Record<string, Command>> = {
  PING: () => 'PONG',
  EXISTS: (data, [key = '']) => Number(data.has(key)),
  DEL: (data, keys) => keys.filter((key) => data.delete(key)).length,
  GET: (data, [key = '']) => data.get(key, 'string')?.text ?? null,
  SET: set,
  HGET: (data, [key = '', field = '']) => fieldsOf(data, key).get(field) ?? null,
  HMGET: (data, [key = '', ...fields]) => {
    const found = fieldsOf(data, key);
    return fields.map((field) => found.get(field) ?? null);
  },
  HGETALL: (data, [key = '']) => [...fieldsOf(data, key)].flat(),
  HSET: (data, [key = '', ...pairs]) => setFields(data, key, pairs),
  HSETNX: (data, [key = '', field = '', ...values]) =>
    fieldsOf(data, key).has(field) ? 0 : setFields(data, key, [field, ...values]),
  HDEL: (data, [key = '', ...names]) => {
    const [fields, count] = without(fieldsOf(data, key), names);
    if (count > 0) data.set(key, { kind: 'hash', fields });
    return count;
  },
  HINCRBY: (data, [key = '', field = '', by]) => {
    const sum = integer(fieldsOf(data, key).get(field) ?? '0') + integer(by);
    setFields(data, key, [field, String(sum)]);
    return sum;
  },
  PEXPIRE: (data, [key = '', ms], now) => Number(data.expire(key, now + integer(ms))),
  PEXPIREAT: (data, [key = '', at]) => Number(data.expire(key, integer(at))),
  PEXPIRETIME: (data, [key = '']) => data.expiryOf(key),
  PERSIST: (data, [key = '']) => Number(data.expiryOf(key) >= 0 && data.expire(key, undefined)),
  ZADD: zadd,
  ZREM: (data, [key = '', ...names]) => {
    const [scores, count] = without(scoresOf(data, key), names);
    if (count > 0) data.set(key, { kind: 'zset', scores });
    return count;
  },
  ZRANGE: zrange,
  ZSCORE: (data, [key = '', name = '']) => {
    const score = scoresOf(data, key).get(name);
    return score === undefined ? null : String(score);
  },
  TYPE: (data, [key = '']) => data.typeOf(key),
  XADD: xadd,
  XDEL: xdel,
  XLEN: (data, [key = '']) => data.get(key, 'stream')?.entries.length ?? 0,
  XRANGE: (data, [key = '', from, to, ...limit]) => {
    if (limit.length !== 2 || limit[0] !== 'COUNT') return wrongArguments();
    const isAll = from === '-' && to === '+';
    if (!isAll && (from !== to || !/^\d+-\d+$/.test(from ?? ''))) return wrongArguments();
    const entries = (data.get(key, 'stream')?.entries ?? []).filter(({ id }) => isAll || idText(id) === from);
    return entries.slice(0, integer(limit[1])).map(({ id, fields }) => [idText(id), fields]);
  },
  XREAD: (data, [count, one, streams, ...rest]) => {
    const half = rest.length / 2;
    const fromStart = rest.slice(half).every((id) => id === '0');
    if (count !== 'COUNT' || one !== '1' || streams !== 'STREAMS' || !Number.isInteger(half) || !fromStart)
      return wrongArguments();
    const found = rest.slice(0, half).flatMap((key): Reply[] => {
      const [first] = data.get(key, 'stream')?.entries ?? [];
      return first === undefined ? [] : [[key, [[idText(first.id), first.fields]]]];
    });
    return found.length === 0 ? null : found;
  },
};

/** Those of them that write. */
export const writes: ReadonlySet<string> = new Set([
  ...['DEL', 'SET', 'HSET', 'HSETNX', 'HDEL', 'HINCRBY', 'PEXPIRE', 'PEXPIREAT', 'PERSIST'],
  ...['ZADD', 'ZREM', 'XADD', 'XDEL'],
]);
