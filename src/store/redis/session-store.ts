import { parseCallKey, type CallKey } from '../../core/call-key.ts';
import type { AnnouncedStop, Revocation, SessionId, SessionStore } from '../../core/ports.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';
import type { WakeUps } from './wake.ts';

export interface RedisSessions extends SessionStore {
  /** Tells that the session may hold a call in a shard from now on. */
  holds(session: SessionId, shard: number): void;
}

interface Joined {
  readonly losses: number;
  /** When the life of each shard had begun; in a cluster only. */
  lives: readonly number[];
  /** Where the session may be a holder. */
  readonly shards: Set<number>;
}

/** Each was lost before the next was joined, so the oldest of so many has run out long ago. */
const remembered = 100;

const wakeMessage = (call: CallKey, epoch: number): string => `${epoch} ${call}`;

/** undefined: it is something else. */
function revocationIn(message: string): Revocation | undefined {
  const [, epoch = '', id = ''] = /^(\d{1,15}) (.+)$/.exec(message) ?? [];
  const call = parseCallKey(id);
  return call && { call, epoch: Number(epoch) };
}

const stopMessage = ({ call, epoch, from }: AnnouncedStop): string => `${epoch ?? '-'} ${from} ${call}`;

/** undefined: it is something else. */
function stopIn(message: string): AnnouncedStop | undefined {
  const [, epoch = '', from = '', id = ''] = /^(\d{1,15}|-) (\S{1,128}) (.+)$/.exec(message) ?? [];
  const call = parseCallKey(id);
  return call && { call, epoch: epoch === '-' ? null : Number(epoch), from };
}

const keptText = (kept: boolean | undefined): string => (kept === undefined ? '' : kept ? '1' : '0');

/**
 * A session belongs to the connections it was joined on: once one of them was lost, the server behind it may have
 * come back without the holders it had promised to remember, so the session counts as lost (design, section 3).
 */
export function redisSessions(connection: Connection, keys: Keys, wakeUps: WakeUps): RedisSessions {
  const sessions = new Map<SessionId, Joined>();
  /** On the connections of which count of losses every shard has been touched. */
  let touchedAt = -1;

  /** Begins the life of a shard if need be, so that a call's first command does not look like a fresh start (rule R2). */
  const touch = (shard: number): Promise<number> =>
    connection.script(scripts.touch, keys.shard(shard), { kept: keptText(connection.kept()) });

  const touchAll = (): Promise<number[]> =>
    Promise.all(Array.from({ length: keys.shards }, (_, shard) => touch(shard)));

  const cutOff = (session: SessionId): boolean =>
    (sessions.get(session)?.losses ?? connection.losses()) !== connection.losses();

  /**
   * In a cluster the session and the calls it holds are on different servers, each of which may be replaced without a
   * connection being lost: by a replica that took over while the old primary still answers.
   */
  const replaced = async (session: SessionId): Promise<boolean> => {
    const joined = sessions.get(session);
    if (connection.kind !== 'cluster' || joined === undefined) return false;
    const shards = [...joined.shards];
    const lives = await Promise.all(shards.map(touch));
    return shards.some((shard, n) => lives[n] !== joined.lives[shard]);
  };

  return {
    join: async (session, ttlMs) => {
      const joined: Joined = { losses: connection.losses(), lives: [], shards: new Set() };
      sessions.set(session, joined);
      for (const oldest of sessions.keys()) if (sessions.size > remembered) sessions.delete(oldest);
      await connection.script(scripts.join, keys.session(session), { ttlMs: String(Math.ceil(ttlMs)) });
      if (connection.kind === 'cluster' || touchedAt !== joined.losses) joined.lives = await touchAll();
      touchedAt = joined.losses;
    },
    holds: (session, shard) => void sessions.get(session)?.shards.add(shard),
    heartbeat: async (session, ttlMs, done) => {
      if (cutOff(session)) return 'lost';
      const epochs: Record<string, number> = {};
      for (const { call, epoch } of done) epochs[call] = Math.max(epochs[call] ?? 0, epoch);
      const [inbox, isReplaced] = await Promise.all([
        connection.script(scripts.heartbeat, keys.session(session), {
          ttlMs: String(Math.ceil(ttlMs)),
          done: JSON.stringify(epochs),
        }),
        replaced(session),
      ]);
      return isReplaced || cutOff(session) ? 'lost' : inbox;
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
      const { session: alive, inbox } = keys.session(session);
      await connection.command('del', alive, inbox);
    },
    onWake: (session, wake) =>
      wakeUps.on(keys.channel(session), (message) =>
        wake(message === undefined ? undefined : revocationIn(message)),
      ),
    announceStop: async (stop) => {
      await connection.command('publish', keys.stops, stopMessage(stop));
    },
    onStop: (hear) =>
      wakeUps.on(keys.stops, (message) => {
        const stop = message === undefined ? undefined : stopIn(message);
        if (stop !== undefined) hear(stop);
      }),
  };
}
