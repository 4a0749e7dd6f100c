import type { Redis } from 'ioredis';
import { observationId, observeAlike, otherObservation } from '../../core/call/observation.ts';
import type { SessionTerms } from '../../core/call/session.ts';
import { isFault, messageOf } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
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

/** What a Redis is like, as an instance with these settings would find it. Nothing of it is changed. */
export type RedisInspection =
  | { readonly reached: false; readonly why: string; readonly cure: string }
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
      : { reached: false, ...explained(failure) };
  } catch (error) {
    return { reached: false, ...explained(messageOf(error)) };
  } finally {
    wire.close();
  }
}

/** Tries once: whoever asks wants to know what is in the way. */
async function reach(
  target: RedisTarget,
  login: RedisLogin | undefined,
): Promise<{ wire: Wire; failure: string | undefined }> {
  let settle: (failure: string | undefined) => void = () => undefined;
  const settled = new Promise<string | undefined>((resolve) => (settle = resolve));
  const nothing = (): void => undefined;
  const events = {
    connected: () => settle(undefined),
    // The message alone: the error may carry the arguments of AUTH.
    failed: (error: Error) => {
      const { lastNodeError: last } = error as { readonly lastNodeError?: unknown };
      settle(last === undefined ? error.message : `${error.message} ${messageOf(last)}`);
    },
    changed: nothing,
    lost: nothing,
    disconnected: nothing,
  };
  const wire = openWire(target, commandTimeoutMs, events, { login, log: undefined });
  const timer = setTimeout(
    () => settle(wire.loginObstacle() ?? `it did not answer within ${patienceMs} ms`),
    patienceMs,
  );
  const failure = await settled;
  clearTimeout(timer);
  return { wire, failure };
}

const causes: readonly (readonly [pattern: RegExp, why: string, cure: string])[] = [
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
    /ENOTFOUND|EAI_AGAIN/,
    'the host of the URL cannot be resolved',
    'Correct the host, or the DNS of this machine',
  ],
  [/ECONNREFUSED/, 'nobody listens at the host and port of the URL', 'Correct them, or start Redis'],
  [
    /ETIMEDOUT|did not answer|EHOSTUNREACH|ENETUNREACH/,
    'the host and port of the URL do not answer',
    'Open the network from this machine to Redis',
  ],
  [
    /before secure TLS|wrong version number|EPROTO|packet length too long/i,
    'the server does not speak TLS',
    'Write redis:// without TLS, or switch TLS on in Redis',
  ],
  [
    /certificate|CERT_|ISSUER/i,
    'the certificate of Redis is not accepted',
    'Name the certification authority in NODE_EXTRA_CA_CERTS, and the host as the certificate does',
  ],
  [/cluster support disabled/i, 'the server is no cluster', 'Write redis:// instead of redis+cluster://'],
  [/\bMOVED\b/, 'the server is a cluster', 'Write redis+cluster:// instead of redis://'],
  [
    /ECONNRESET|closed/i,
    'the server closes the connection',
    'Write rediss:// if Redis speaks TLS only; look at its log otherwise',
  ],
];

function explained(message: string): { readonly why: string; readonly cure: string } {
  const [, why, cure] = causes.find(([pattern]) => pattern.test(message)) ?? [
    undefined,
    'Redis cannot be used',
    'See the reason, and the log of Redis',
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
