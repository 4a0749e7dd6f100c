import { Fault } from '../../core/errors.ts';

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, as its URL says. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** The server; or nodes of the cluster; or the sentinels. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** What the sentinels call the master; empty for the other kinds. */
  readonly masterName: string;
}

const shape =
  /^redis(?<tls>s)?(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<user>[^/?#]*)@)?(?<hosts>[^@/?#]+)(?<path>\/[^?#]*)?$/;

const forms =
  'redis://, rediss://, redis+cluster://host:port,host:port, rediss+cluster://… or redis+sentinel://host:port,host:port/master';

/** Messages name the part that is wrong and never quote it: it may be a password that went astray. */
const invalid = (what: string): Fault => new Fault('ConfigurationInvalid', `the Redis URL ${what}`);

/**
 * Reads `redis[s]://[user:password@]host[:port][/database]`, `redis[s]+cluster://[…@]host:port,host:port` and
 * `redis+sentinel://[…@]host:port,host:port/master[/database]`. The credentials are those of the data servers.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const spelling = misspelled(url);
  if (spelling !== undefined) throw invalid(spelling);
  const parts = shape.exec(url)?.groups;
  if (parts === undefined) throw invalid(`does not have one of the forms ${forms}`);
  const kind = (parts.kind ?? 'single') as RedisTarget['kind'];
  if (kind === 'sentinel' && parts.tls !== undefined)
    throw invalid('requests TLS with Sentinel, which is not supported');

  const [first, ...more] = (parts.hosts ?? '').split(',').map((text) => endpoint(text, kind));
  if (first === undefined) throw invalid('names no host');
  if (kind === 'single' && more.length > 0)
    throw invalid('names several hosts; use redis+cluster or redis+sentinel');

  const path = (parts.path ?? '').split('/').slice(1);
  const masterName = kind === 'sentinel' ? decoded(path.shift() ?? '', 'master name') : '';
  if (kind === 'sentinel' && masterName === '') throw invalid('does not name the master');
  if (path.length > 1) throw invalid('has a path that is too long');
  const database = path[0] ?? '';
  if (!/^\d{0,5}$/.test(database)) throw invalid('has a database that is not a number');
  if (kind === 'cluster' && Number(database) !== 0)
    throw invalid('names a database, which a cluster does not have');

  const colon = parts.user?.indexOf(':') ?? -1;
  const username = colon < 0 ? (parts.user ?? '') : parts.user?.slice(0, colon);
  const password = colon < 0 ? '' : parts.user?.slice(colon + 1);
  return {
    kind,
    endpoints: [first, ...more],
    tls: parts.tls !== undefined,
    username: decoded(username ?? '', 'user name') || undefined,
    password: decoded(password ?? '', 'password') || undefined,
    database: Number(database),
    masterName,
  };
}

const escapes: Readonly<Partial<Record<string, string>>> = { '/': '%2F', '?': '%3F', '#': '%23' };
const strayLineBreak = 'contains a line break, probably read from a file: remove the line break';

/** What would make a valid password look like another part of the URL, or the other way round. */
function misspelled(url: string): string | undefined {
  if (/[\r\n]/.test(url)) return strayLineBreak;
  const at = url.lastIndexOf('@');
  const credentials = url.slice(0, Math.max(0, at)).replace(/^[a-z+]+:\/\//, '');
  const raw = /[/?#]/.exec(credentials)?.[0];
  return raw === undefined
    ? undefined
    : `has a "${raw}" in its user name or password: encode it as ${escapes[raw] ?? ''}`;
}

function endpoint(text: string, kind: RedisTarget['kind']): Endpoint {
  const match = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[\w.-]+))(?::(?<port>\d{1,5}))?$/i.exec(text)?.groups;
  const host = match?.v6 ?? match?.name;
  if (host === undefined) throw invalid('has a host that is not host:port');
  const port = Number(match?.port ?? (kind === 'sentinel' ? 26379 : 6379));
  if (port < 1 || port > 65535) throw invalid('has a port out of range');
  return { host, port };
}

function decoded(text: string, what: string): string {
  let value: string;
  try {
    value = decodeURIComponent(text);
  } catch {
    throw invalid(`has a ${what} that is not percent-encoded correctly: encode "%" as %25`);
  }
  if (/[\r\n]/.test(value)) throw invalid(strayLineBreak);
  return value;
}
