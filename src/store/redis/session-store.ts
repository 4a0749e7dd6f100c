import { type CallKey, parseCallKey } from '../../core/call/key.ts';
import {
  freshMs,
  type HolderTimes,
  type SessionId,
  type SessionTerms,
  type SessionTimes,
} from '../../core/call/session.ts';
import { isFault, messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { JoinRefusal, Revocation, SessionStore } from '../../core/ports/session-store.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { redisMembers } from './members.ts';
import { scripts } from './scripts.ts';
import type { Shards } from './shards.ts';
import { stopIn, stopMessage } from './stop-message.ts';
import type { StoreClock } from './store-clock.ts';
import type { WakeUps } from './wake.ts';

const full: JoinRefusal = {
  why: 'full',
  text: 'the store has reached the limit of its memory; free memory, or raise maxmemory',
};

const isOutOfMemory = (error: unknown): boolean =>
  isFault(error) && error.cause instanceof Error && error.cause.message.startsWith('OOM');

export interface RedisSessions extends SessionStore {
  /** Tells that the session may hold a call in a shard from now on; its times, undefined: it has not joined. */
  holds(session: SessionId, shard: number): HolderTimes | undefined;
}

interface Joined {
  readonly losses: number;
  readonly times: SessionTimes;
  /** The life of each shard when it was joined; in a cluster only. */
  lives: readonly string[];
  /** Where the session may be a holder. */
  readonly shards: Set<number>;
}

/** Each was lost before the next was joined, so the oldest of so many has run out long ago. */
const remembered = 100;
/** How many shards are noted as settled with one heartbeat. */
const settledTogether = 64;

const wakeMessage = (call: CallKey, epoch: number): string => `${epoch} ${call}`;

/** undefined: it is something else. */
function revocationIn(message: string): Revocation | undefined {
  const [, epoch = '', id = ''] = /^(\d{1,15}) (.+)$/.exec(message) ?? [];
  const call = parseCallKey(id);
  return call && { call, epoch: Number(epoch) };
}

const keptText = (kept: boolean | undefined): string => (kept === undefined ? '' : kept ? '1' : '0');

/**
 * A session belongs to the connections it was joined on: once one of them was lost, the server behind it may have
 * come back without the holders it had promised to remember, so the session counts as lost (docs/design/protocol.md).
 */
export function redisSessions(
  connection: Connection,
  keys: Keys,
  shards: Shards,
  clock: StoreClock,
  wakeUps: WakeUps,
  log: Log | undefined,
): RedisSessions {
  const sessions = new Map<SessionId, Joined>();
  const members = redisMembers(connection, keys, () => shards.now());
  let hasWarnedUnreadable = false;
  const warnUnreadable = (): void => {
    if (hasWarnedUnreadable) return;
    hasWarnedUnreadable = true;
    log?.warn(
      { channel: keys.stops },
      'an unreadable message on the channel for announced stops was ignored; further ones will be ignored without a log line: find out what else publishes there',
    );
  };
  /** On the connections of which count of losses every shard has been touched. */
  let touchedAt = -1;

  /** Begins the life of a shard if need be, so that a call's first command does not look like a fresh start (rule R2). */
  const touch = async (shard: number): Promise<string> => {
    const asked = shards.now();
    const facts = await connection.script(scripts.begin, keys.shard(shard), {
      kept: keptText(connection.kept()),
      ...shards.reportArguments(shard),
    });
    shards.saw(shard, facts, asked);
    return facts.life;
  };

  const touchAll = (): Promise<string[]> =>
    Promise.all(Array.from({ length: keys.shards }, (_, shard) => touch(shard)));

  const cutOff = (session: SessionId): boolean =>
    (sessions.get(session)?.losses ?? connection.losses()) !== connection.losses();

  /**
   * In a cluster the session and the calls it holds are on different servers, each of which may be replaced without a
   * connection being lost, by a replica that took over while the old primary still answers; or may be full by itself. One
   * that takes no writes fails the heartbeat.
   */
  const replaced = async (session: SessionId): Promise<boolean> => {
    const joined = sessions.get(session);
    if (connection.kind !== 'cluster' || joined === undefined) return false;
    const held = [...joined.shards];
    const lives = await Promise.all(held.map(touch));
    return held.some((shard, n) => lives[n] !== joined.lives[shard]);
  };

  /** Notes which lives have lasted long enough by our clock, so that whoever starts later need not wait (rule R2). */
  const settle = async (times: SessionTimes): Promise<void> => {
    const due = shards.unsettled(freshMs(times), settledTogether);
    await Promise.all(
      due.map(async ({ shard, life }) => {
        const args = { life, ...shards.readArguments(shard) };
        if (await connection.script(scripts.settle, keys.shard(shard), args)) shards.settled(shard, life);
      }),
    );
  };

  /** What is worth doing now and then; nobody waits for it, and what fails is done the next time. */
  const inPassing = (work: Promise<void>): void => {
    work.catch((error: unknown) => {
      if (!isFault(error, 'StoreUnavailable'))
        log?.error({ error: messageOf(error) }, 'the periodic maintenance of the store failed');
    });
  };

  const join = async (session: SessionId, times: SessionTerms): Promise<'joined' | JoinRefusal> => {
    const losses = connection.losses();
    const refusal = await members.enrol(session, times);
    if (refusal !== undefined) {
      // A member that has died must not keep others out for ever; a store of another format is not touched.
      if (refusal.why === 'times' || refusal.why === 'observe') inPassing(members.tidy());
      return refusal;
    }
    const joined: Joined = { losses, times, lives: [], shards: new Set() };
    sessions.set(session, joined);
    for (const oldest of sessions.keys()) if (sessions.size > remembered) sessions.delete(oldest);
    clock.forget();
    await connection.script(scripts.join, keys.session(session), {});
    if (connection.kind === 'cluster' || touchedAt !== losses) joined.lives = await touchAll();
    touchedAt = losses;
    return 'joined';
  };

  return {
    join: (session, times) =>
      join(session, times).catch((error: unknown) => {
        if (isOutOfMemory(error)) return full;
        throw error;
      }),
    holds: (session, shard) => {
      const joined = sessions.get(session);
      joined?.shards.add(shard);
      return joined?.times;
    },
    heartbeat: async (session, done) => {
      if (cutOff(session)) return 'lost';
      const epochs: Record<string, number> = {};
      for (const { call, epoch } of done) epochs[call] = Math.max(epochs[call] ?? 0, epoch);
      const sent = shards.now();
      const [beat, isReplaced] = await Promise.all([
        connection.script(scripts.heartbeat, keys.session(session), { done: JSON.stringify(epochs) }),
        replaced(session),
      ]);
      if (beat === 'lost' || isReplaced || cutOff(session)) return 'lost';
      clock.sample(beat.clock, sent, shards.now());
      const times = sessions.get(session)?.times;
      if (times !== undefined) inPassing(settle(times));
      inPassing(members.tidy());
      return beat.inbox;
    },
    revoke: (session, { call, epoch }) =>
      connection.script(scripts.revoke, keys.session(session), {
        call,
        epoch: String(epoch),
        channel: keys.channel(session),
        message: wakeMessage(call, epoch),
      }),
    quit: async (session) => {
      sessions.delete(session);
      await members.remove(session);
    },
    onWake: (session, wake) =>
      wakeUps.on(keys.channel(session), (message) =>
        wake(message === undefined ? undefined : revocationIn(message)),
      ),
    announceStop: async (stop) => {
      await connection.command('publish', keys.stops, stopMessage(stop));
    },
    onStop: (receive) =>
      wakeUps.on(keys.stops, (message) => {
        if (message === undefined) return;
        const stop = stopIn(message);
        if (stop !== undefined) receive(stop);
        else warnUnreadable();
      }),
  };
}
