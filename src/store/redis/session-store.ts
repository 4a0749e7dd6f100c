import type { SessionId, SessionStore } from '../../core/ports.ts';
import type { Connection } from './connection.ts';
import { type Keys, shardCount } from './keys.ts';
import { scripts } from './scripts.ts';
import type { WakeUps } from './wake.ts';

/**
 * A session belongs to the connections it was joined on: once one of them was lost, the server behind it may have
 * come back without the holders it had promised to remember, so the session counts as lost (design, section 3).
 */
export function redisSessions(connection: Connection, keys: Keys, wakeUps: WakeUps): SessionStore {
  const joinedAt = new Map<SessionId, number>();
  let touchedAt = -1;

  /** Gives every shard its marker, so that a call's first command does not look like a fresh start (rule R2). */
  const touchAll = async (losses: number): Promise<void> => {
    if (touchedAt === losses) return;
    await Promise.all(
      Array.from({ length: shardCount }, (_, n) => connection.script(scripts.touch, keys.shard(n), {})),
    );
    touchedAt = losses;
  };
  const cutOff = (session: SessionId): boolean =>
    (joinedAt.get(session) ?? connection.losses()) !== connection.losses();

  return {
    join: async (session, ttlMs) => {
      const losses = connection.losses();
      joinedAt.set(session, losses);
      await connection.script(scripts.join, keys.session(session), { ttlMs: String(Math.ceil(ttlMs)) });
      await touchAll(losses);
    },
    heartbeat: async (session, ttlMs, done) => {
      if (cutOff(session)) return 'lost';
      const epochs: Record<string, number> = {};
      for (const { call, epoch } of done) epochs[call] = Math.max(epochs[call] ?? 0, epoch);
      const inbox = await connection.script(scripts.heartbeat, keys.session(session), {
        ttlMs: String(Math.ceil(ttlMs)),
        done: JSON.stringify(epochs),
      });
      return cutOff(session) ? 'lost' : inbox;
    },
    revoke: (session, { call, epoch }) =>
      connection.script(scripts.revoke, keys.session(session), {
        call,
        epoch: String(epoch),
        channel: keys.channel(session),
      }),
    quit: async (session) => {
      joinedAt.delete(session);
      const { session: alive, inbox } = keys.session(session);
      await connection.command('del', alive, inbox);
    },
    onWake: (session, wake) => wakeUps.on(keys.channel(session), wake),
  };
}
