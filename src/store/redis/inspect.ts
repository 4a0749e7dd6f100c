import { connect } from 'node:net';
import type { Redis } from 'ioredis';
import { observationId, observeAlike, otherObservation } from '../../core/call/observation.ts';
import type { SessionTerms } from '../../core/call/session.ts';
import { isFault, messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { networkCauseIn, networkCauseOf } from '../../core/network-cause.ts';
import { asList, asPairs } from './decode.ts';
import { durabilityOf } from './durability.ts';
import { otherFormat } from './format.ts';
import { keysWith } from './keys.ts';
import type { RedisLogin } from './login.ts';
import { fitsTimes, otherTimes } from './members.ts';
import { assertPermitted } from './permissions.ts';
import { parseMember } from './scripts.ts';
import { assertSuitable, type EvictionRule, infoOf } from './suitable.ts';
import { parseRedisUrl, type RedisTarget } from './target.ts';
import { openWire, type Wire } from './wire.ts';

interface Unreached {
  readonly why: string;
  readonly cure: string;
}

/** What a Redis is like, as an instance with these settings would find it. Nothing of it is changed. */
export type RedisInspection =
  | ({ readonly reached: false } & Unreached)
  | {
      readonly reached: true;
      /** Of each master. */
      readonly versions: readonly string[];
      /** Why no instance uses it. */
      readonly unsuitable: readonly string[];
      /** What its configuration does not promise. */
      readonly doubts: readonly string[];
      /** Why an instance with these settings could not join those there. */
      readonly misfits: readonly string[];
      /** How far its clock is ahead of this machine's, ms. */
      readonly aheadMs: number;
      /** The share of its memory that is used; undefined: it has no limit of its own. */
      readonly usedShare: number | undefined;
      /** The id of the directory that its evidence is written to; undefined: none yet. */
      readonly sink: string | undefined;
    };

interface InspectionOptions {
  readonly eviction: EvictionRule;
  readonly waitReplicas: number;
  readonly times: SessionTerms;
  readonly prefix?: string;
  readonly login?: RedisLogin | undefined;
}

const patienceMs = 5000;
const commandTimeoutMs = 3000;

/** Throws `ConfigurationInvalid` for a URL that cannot be read. */
export async function inspectRedis(url: string, options: InspectionOptions): Promise<RedisInspection> {
  const target = parseRedisUrl(url);
  const { wire, failure } = await reach(target, options.login);
  try {
    return failure === undefined
      ? await judge(wire, target, options)
      : { reached: false, ...explained(await causeOf(failure, target), target) };
  } catch (error) {
    return { reached: false, ...explained(error, target) };
  } finally {
    wire.close();
  }
}

/** Tries once: whoever asks wants to know what is in the way. */
async function reach(
  target: RedisTarget,
  login: RedisLogin | undefined,
): Promise<{ wire: Wire; failure: Error | undefined }> {
  let settle: (failure: Error | undefined) => void = () => undefined;
  const settled = new Promise<Error | undefined>((resolve) => (settle = resolve));
  const nothing = (): void => undefined;
  const events = {
    connected: () => settle(undefined),
    failed: (error: Error) => settle(error),
    changed: nothing,
    lost: nothing,
    disconnected: nothing,
  };
  const wire = openWire(target, commandTimeoutMs, events, { login, log: undefined });
  const timer = setTimeout(() => {
    const obstacle = wire.loginObstacle();
    settle(obstacle === undefined ? tooLate(patienceMs) : new Error(obstacle));
  }, patienceMs);
  const failure = await settled;
  clearTimeout(timer);
  return { wire, failure };
}

/** A client of a cluster does not say why its nodes cannot be reached, so they are tried. */
async function causeOf(failure: Error, { kind, endpoints }: RedisTarget): Promise<Error> {
  if (kind !== 'cluster' || networkCauseOf(failure) !== undefined) return failure;
  const errors = await Promise.all(endpoints.map(connectionError));
  return errors.find((error) => error !== undefined) ?? failure;
}

/** Resolves with the error; undefined: the endpoint accepts connections. */
const connectionError = (endpoint: RedisTarget['endpoints'][number]): Promise<Error | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ ...endpoint, timeout: commandTimeoutMs });
    const end = (error: Error | undefined): void => {
      socket.destroy();
      resolve(error);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(tooLate(commandTimeoutMs)));
    socket.once('error', end);
  });

const tooLate = (ms: number): Error =>
  Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' });

/** What Redis itself says, and what to do. */
const replies: readonly (readonly [pattern: RegExp, why: string, cure: string])[] = [
  [
    /\bNOAUTH\b/,
    'Redis demands a password',
    'Write the password into the URL: redis://user:password@host:port',
  ],
  [
    /\bWRONGPASS\b|invalid password/i,
    'Redis refuses the user name or the password',
    'Correct the user name and the password in the URL; a password alone is written redis://:password@host',
  ],
  [
    /\bNOPERM\b/,
    'the Redis user may not do what is needed',
    'Grant the rights in docs/operate/redis-user.md',
  ],
  [
    /Command timed out/i,
    'the server accepts connections and does not answer',
    'See the load and the log of Redis, and what is between this machine and Redis',
  ],
  [
    /Connection is closed/i,
    'the server closes the connection',
    'Write rediss:// if Redis speaks TLS only; see its log otherwise',
  ],
  [/cluster support disabled/i, 'the server is no cluster', 'Write redis:// instead of redis+cluster://'],
  [/\bMOVED\b/, 'the server is a cluster', 'Write redis+cluster:// instead of redis://'],
];

/** Messages alone are shown: the error may carry the arguments of AUTH. */
function explained(error: unknown, { tls }: Pick<RedisTarget, 'tls'>): Unreached {
  const inner = isRecord(error) ? [error.lastNodeError, error.cause] : [];
  const message = [error, ...inner.filter((each) => each !== undefined)].map(messageOf).join(' ');
  const cause = networkCauseOf(error) ?? networkCauseIn(message);
  if (cause !== undefined) {
    // A server without TLS waits for the end of a command.
    const silent = tls && cause.code === 'ETIMEDOUT';
    return {
      why: `${cause.code}: ${cause.why}`,
      cure: silent ? `${cause.cure}; if Redis does not speak TLS, write redis:// without TLS` : cause.cure,
    };
  }
  const [, why, cure] = replies.find(([pattern]) => pattern.test(message)) ?? [
    undefined,
    'Redis cannot be used',
    'See the log of Redis',
  ];
  return { why: `${why} (${message.slice(0, 200)})`, cure };
}

async function judge(
  wire: Wire,
  target: RedisTarget,
  { eviction, waitReplicas, times, prefix = 'tallylight' }: InspectionOptions,
): Promise<RedisInspection> {
  const keys = keysWith(prefix);
  const masters = wire.masters();
  const versions: string[] = [];
  const unsuitable: string[] = [];
  const doubts: string[] = [];
  let usedShare: number | undefined;
  for (const master of masters) {
    try {
      const field = await infoOf(master);
      versions.push(field('redis_version') ?? 'unknown');
      const [used, most] = [Number(field('used_memory') ?? 0), Number(field('maxmemory') ?? 0)];
      if (most > 0) usedShare = Math.max(usedShare ?? 0, used / most);
      doubts.push(...(await assertPermitted(master, prefix)));
      await assertSuitable(master, eviction);
      doubts.push(...(await durabilityOf(master, target.kind, waitReplicas)).doubts);
    } catch (error) {
      if (!isFault(error, 'StoreUnsuitable')) throw error;
      unsuitable.push(error.message);
    }
  }
  const [first] = masters;
  const usable = first !== undefined && unsuitable.length === 0;
  const { commands } = wire;
  const ask = (name: string, ...args: string[]): Promise<unknown> => commands.call(name, args);
  const sink = usable ? await ask('get', keys.sink) : undefined;
  return {
    reached: true,
    versions,
    unsuitable: [...new Set(unsuitable)],
    doubts: [...new Set(doubts)],
    misfits: usable ? await misfits(ask, keys, times) : [],
    aheadMs: usable ? await aheadOf(first) : 0,
    usedShare,
    sink: typeof sink === 'string' ? sink : undefined,
  };
}

type Ask = (name: string, ...args: string[]) => Promise<unknown>;

async function misfits(
  ask: Ask,
  keys: ReturnType<typeof keysWith>,
  times: SessionTerms,
): Promise<readonly string[]> {
  const layout = await ask('get', keys.layout);
  const format = typeof layout === 'string' ? otherFormat(keys, layout) : undefined;
  if (format !== undefined) return [format];
  const reply = await ask('hgetall', keys.members);
  const members = isRecord(reply) ? Object.entries(reply) : asPairs(reply, 'member');
  const found = members.flatMap(([session, text]) => {
    const theirs = parseMember(String(text));
    if (theirs === undefined) return [];
    if (!fitsTimes(times, theirs)) return [otherTimes(times, session, theirs).text];
    const mine = observationId(times.observation);
    return observeAlike(mine, theirs.observes, Date.now())
      ? []
      : [otherObservation(mine, session, theirs.observes)];
  });
  return found.slice(0, 1);
}

async function aheadOf(server: Redis): Promise<number> {
  const asked = Date.now();
  const [seconds, micros] = asList(await server.call('time'), 'time').map(Number);
  const now = Date.now();
  return Math.round((seconds ?? 0) * 1000 + (micros ?? 0) / 1000 - (asked + now) / 2);
}
