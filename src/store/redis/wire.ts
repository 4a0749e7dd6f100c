import { Cluster, Command, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import type { Log } from '../../core/ports/log.ts';
import { keepLogin, type KeptLogin, type RedisLogin } from './login.ts';
import { scripts } from './scripts.ts';
import type { RedisTarget } from './target.ts';

/** What happens on the connections, for whoever keeps their state. */
export interface WireEvents {
  /** Commands could be sent from now on, were the servers judged. */
  connected(): void;
  /** A cluster that is in use has one more or one less of its servers connected. */
  changed(): void;
  /** A connection that was in use has closed. */
  lost(): void;
  /** No command can be sent any more. */
  disconnected(): void;
  failed(error: Error): void;
}

/** The connections to one Redis, in whatever form it comes. */
export interface Wire {
  readonly commands: Redis | Cluster;
  /** For wake-ups only. A cluster's client keeps a connection of its own for them. */
  readonly subscriber: Redis | Cluster;
  masters(): readonly Redis[];
  /** The connection over which commands for a key go now. */
  serverOf(key: string): Redis | undefined;
  /** Why no connection can log in; undefined: nothing is known to be in the way. */
  loginObstacle(): string | undefined;
  close(): void;
}

/** The name under which ioredis offers a script as a method; distinct from all commands. It is given the number of its keys first. */
export const methodOf = (script: string): string => `tallylight:${script}`;

const methods = Object.fromEntries(Object.values(scripts).map(({ name, lua }) => [methodOf(name), { lua }]));

/** The decoders of replies read the shapes of RESP2. */
type Options = RedisOptions & { readonly replyMapping: 'legacy' };

const connectTimeoutMs = 2000;
/** How long a server may take to answer the end of a connection, ms. */
const disconnectTimeoutMs = 500;

/** Bounded exponential back-off with jitter, so that instances do not return in step. */
const backOff = (attempt: number): number =>
  Math.min(50 * 2 ** (attempt - 1), 2000) * (0.75 + Math.random() / 2);

/** How connections log in, where the credentials are not in the URL. */
interface WireLogin {
  readonly login: RedisLogin | undefined;
  readonly log: Log | undefined;
}

export function openWire(
  target: RedisTarget,
  commandTimeoutMs: number,
  events: WireEvents,
  how: WireLogin,
): Wire {
  const shared: Options = {
    replyMapping: 'legacy',
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls ? { tls: {} } : {}),
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    connectionName: 'tallylight',
    // Whoever waits for a command decides whether to send it again: its effect is unknown.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Subscriptions are made anew by their owner.
    autoResubscribe: false,
  };
  return target.kind === 'cluster'
    ? openCluster(target, shared, events, how)
    : openSingle(target, shared, events, how);
}

function openSingle(
  target: RedisTarget,
  shared: Options,
  events: WireEvents,
  { login, log }: WireLogin,
): Wire {
  const [server] = target.endpoints;
  const options: Options = {
    ...shared,
    ...(target.kind === 'sentinel'
      ? {
          sentinels: [...target.endpoints],
          name: target.masterName,
          sentinelRetryStrategy: backOff,
          sentinelCommandTimeout: connectTimeoutMs,
        }
      : server),
    db: target.database,
    retryStrategy: backOff,
    enableOfflineQueue: false,
    // Without a password there is nothing to connect with.
    lazyConnect: login !== undefined,
    // A master that was demoted answers so: find the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  const commands = new Redis({ ...options, scripts: methods });
  const subscriber = new Redis(options);
  let inUse = false;
  commands.on('ready', () => {
    inUse = true;
    events.connected();
  });
  commands.on('close', () => {
    events.disconnected();
    if (inUse) events.lost();
    inUse = false;
  });
  commands.on('error', (error: Error) => events.failed(error));
  // The connection for commands fails as well, and reports it.
  subscriber.on('error', () => undefined);
  for (const client of [commands, subscriber]) surviveErrors(client);
  const kept = keptLogin(login, [commands, subscriber], () => undefined, log);
  return {
    commands,
    subscriber,
    masters: () => [commands],
    serverOf: () => commands,
    loginObstacle: () => kept?.obstacle(),
    close: () => {
      kept?.close();
      commands.disconnect();
      subscriber.disconnect();
    },
  };
}

/**
 * ioredis takes only the first error of a connection. Under TLS another may follow, such as an alert of the server about a
 * handshake that was given up: without a listener it would end the process.
 */
function surviveErrors(client: Redis): void {
  const listen = (): void => {
    // There is none before a connection was tried, whatever the type says.
    const { stream } = client as { readonly stream?: Redis['stream'] };
    stream?.on('error', () => undefined);
  };
  client.on('connect', listen);
  client.on('error', listen);
}

/** Connects once there is a password. */
function keptLogin(
  login: RedisLogin | undefined,
  clients: readonly (Redis | Cluster)[],
  moving: () => Redis | null | undefined,
  log: Log | undefined,
): KeptLogin | undefined {
  if (login === undefined) return undefined;
  const ready = (): void => {
    // Whether it succeeds is told by events.
    for (const client of clients) client.connect().catch(() => undefined);
  };
  const kept = keepLogin(login, { ready, moving }, log);
  for (const client of clients) if (client instanceof Redis) kept.follow(client);
  return kept;
}

function openCluster(
  target: RedisTarget,
  shared: Options,
  events: WireEvents,
  { login, log }: WireLogin,
): Wire {
  const options: ClusterOptions & { readonly redisOptions: Options } = {
    redisOptions: shared,
    scripts: methods,
    enableOfflineQueue: false,
    lazyConnect: login !== undefined,
    clusterRetryStrategy: backOff,
    // Without a command that is redirected, the client would not see that a node is back or has changed.
    slotsRefreshInterval: 5000,
    slotsRefreshTimeout: connectTimeoutMs,
    // A redirected command has not run. After any other failure nobody knows, so none is repeated.
    maxRedirections: 4,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Certificates name hosts, not addresses.
    ...(target.tls ? { dnsLookup: (host, done) => done(null, host) } : {}),
  };
  const cluster = new Cluster([...target.endpoints], options);
  const kept = keptLogin(login, [cluster], () => subscriberOf(cluster), log);
  cluster.on('+node', (node: Redis) => {
    // Before it connects; the client's own connection for subscriptions takes the options of a node.
    kept?.follow(node);
    surviveErrors(node);
    let inUse = false;
    node.on('ready', () => {
      inUse = true;
      if (cluster.status === 'ready') events.changed();
    });
    node.on('close', () => {
      if (inUse) events.lost();
      inUse = false;
    });
  });
  cluster.on('-node', () => {
    if (cluster.status === 'ready') events.changed();
  });
  cluster.on('ready', () => events.connected());
  cluster.on('close', () => events.disconnected());
  cluster.on('error', (error: Error) => events.failed(error));
  return {
    commands: cluster,
    subscriber: cluster,
    masters: () => cluster.nodes('master'),
    serverOf: (key) => {
      const slot = new Command('exists', [key]).getSlot();
      const [name] = cluster.slots[slot] ?? [];
      return cluster.nodes('master').find(({ options: { host, port } }) => name === `${host}:${port}`);
    },
    loginObstacle: () => kept?.obstacle(),
    close: () => {
      kept?.close();
      cluster.disconnect();
    },
  };
}

/** ioredis has no other way to the connection on which a cluster's client subscribes. */
const subscriberOf = (cluster: Cluster): Redis | null | undefined =>
  (
    cluster as unknown as { readonly subscriber?: { readonly getInstance?: () => Redis | null } }
  ).subscriber?.getInstance?.();
