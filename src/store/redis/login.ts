import type { Redis } from 'ioredis';
import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';

/** A user of Redis whose password expires, such as an access token of Entra. */
export interface RedisLogin {
  readonly username: string;
  /** A new password, and for how long the server accepts it. Rejects with an error whose message may be logged. */
  readonly password: () => Promise<{ readonly value: string; readonly lifetimeMs: number }>;
}

/** Keeps every connection logged in. */
export interface KeptLogin {
  /** From now on the connection logs in with the latest password, and again with each new one. */
  follow(redis: Redis): void;
  /** Why there has never been a password, or none since the last has expired; undefined: there is one. */
  obstacle(): string | undefined;
  close(): void;
}

interface LoginEvents {
  /** The first password is there: connections may be opened. */
  readonly ready: () => void;
  /** A connection that its owner replaces without notice. */
  readonly moving: () => Redis | null | undefined;
}

const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** Servers cut connections whose password has expired: half of its life leaves time for many attempts. */
const renewAtShare = 0.5;
/** A server that refuses every password must not become a flood of requests for new ones. */
const refusedCooldownMs = 5000;

/** Doubles from attempt to attempt, with jitter, so that instances do not ask in step. */
const backOff = (attempt: number): number =>
  Math.min(firstWaitMs * 2 ** attempt, longestWaitMs) * (0.75 + Math.random() / 2);

/** What Redis answers to a password that it does not accept, or no longer. */
const isRefusal = (error: Error): boolean => /^(?:WRONGPASS|NOAUTH)\b/.test(error.message);

export function keepLogin(
  { username, password }: RedisLogin,
  { ready, moving }: LoginEvents,
  log: Log | undefined,
): KeptLogin {
  const followed = new Set<Redis>();
  let current: { readonly value: string; readonly at: number; readonly lifetimeMs: number } | undefined;
  let failure: string | undefined;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let renewing = false;
  let closed = false;
  const isClosed = (): boolean => closed;
  const isOpen = ({ status }: Redis): boolean => status === 'ready' && !closed;

  /** ioredis reads the options of a connection each time it connects. */
  const equip = (redis: Redis): void => {
    if (current === undefined) return;
    redis.options.username = username;
    redis.options.password = current.value;
  };

  /** Until it succeeds, the connection closes, or there is another password. */
  const authenticate = async (redis: Redis, attempt = 0): Promise<void> => {
    const mine = current;
    if (mine === undefined || !isOpen(redis)) return;
    try {
      await redis.call('auth', username, mine.value);
    } catch (error) {
      if (mine !== current || !isOpen(redis)) return;
      // The message alone: the error carries the arguments of AUTH.
      if (attempt === 0)
        log?.warn(
          { cause: messageOf(error) },
          'Redis did not accept a new access token on an open connection',
        );
      setTimeout(() => void authenticate(redis, attempt + 1), backOff(attempt)).unref();
    }
  };

  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => void renew(), ms).unref();
  };

  const renew = async (): Promise<void> => {
    if (renewing || isClosed()) return;
    renewing = true;
    try {
      const { value, lifetimeMs } = await password();
      const isFirst = current === undefined;
      current = { value, lifetimeMs, at: performance.now() };
      failures = 0;
      failure = undefined;
      schedule(lifetimeMs * renewAtShare);
      if (isClosed()) return;
      const other = moving();
      for (const redis of [...followed, ...(other ? [other] : [])]) {
        equip(redis);
        void authenticate(redis);
      }
      if (isFirst) ready();
    } catch (error) {
      failure = messageOf(error);
      if (!isClosed())
        log?.warn({ user: username, error: failure }, 'could not obtain an access token for Redis');
      schedule(backOff(failures++));
    } finally {
      renewing = false;
    }
  };

  const refused = (error: Error): void => {
    const isFresh = current !== undefined && performance.now() - current.at < refusedCooldownMs;
    if (isRefusal(error) && failure === undefined && !isFresh) void renew();
  };

  void renew();
  return {
    follow(redis) {
      followed.add(redis);
      equip(redis);
      redis.on('error', refused);
      // Its handshake may have begun with the password before.
      redis.on('ready', () => void authenticate(redis));
      redis.on('end', () => followed.delete(redis));
    },
    obstacle() {
      const isGood = current !== undefined && performance.now() - current.at < current.lifetimeMs;
      return isGood ? undefined : `there is no access token for it: ${failure ?? 'none was obtained yet'}`;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      followed.clear();
    },
  };
}
