import type { SessionId, SessionTimes } from '../../core/call/session.ts';
import { isRecord } from '../../core/json.ts';
import type { JoinRefusal } from '../../core/ports/session-store.ts';
import type { Connection } from './connection.ts';
import { asPairs } from './decode.ts';
import { otherFormat } from './format.ts';
import type { Keys } from './keys.ts';
import { parseTimes, scripts } from './scripts.ts';

/** Who takes part in the store, with which times. */
interface Members {
  /** Takes a session among them; or why that must not be. */
  enrol(session: SessionId, times: SessionTimes): Promise<JoinRefusal | undefined>;
  /** Takes a session off, with everything that is kept of it. */
  remove(session: SessionId): Promise<void>;
  /** Removes those that have given no sign of life for long, by this process's own clock. */
  tidy(): Promise<void>;
}

const tidyEveryMs = 10_000;
/** A session without a sign of life for so long, and for ten of its TTLs, belongs to nobody any more. */
const goneMs = 60_000;

const ms = (number: number): string => String(Math.ceil(number));

export function redisMembers(connection: Connection, keys: Keys, now: () => number): Members {
  /** The counter of each, and since when it has stood so, local clock. */
  let watched = new Map<SessionId, { readonly beat: unknown; readonly since: number }>();
  let tidiedAt = now();

  const remove = async (session: SessionId): Promise<void> => {
    const { session: alive, inbox } = keys.session(session);
    await connection.command('del', alive, inbox);
    await connection.command('hdel', keys.members, session);
    await connection.command('hdel', keys.acks, session);
  };

  return {
    enrol: async (session, times) => {
      const isOfFirst = (await connection.command('type', keys.shard(0).mark)) === 'hash';
      if (isOfFirst) return refusedFor(otherFormat(keys, '1'));
      const found = await connection.script(scripts.enrol, keys, {
        session,
        ttlMs: ms(times.ttlMs),
        graphTimeoutMs: ms(times.graphTimeoutMs),
        ttlMaxMs: ms(times.ttlMaxMs),
        graphTimeoutMaxMs: ms(times.graphTimeoutMaxMs),
      });
      if (found === undefined) return undefined;
      if ('format' in found) return refusedFor(otherFormat(keys, found.format));
      return otherTimes(times, found.member, found.times);
    },
    remove,
    tidy: async () => {
      if (now() - tidiedAt < tidyEveryMs) return;
      tidiedAt = now();
      const reply = await connection.command('hgetall', keys.members);
      const found = isRecord(reply) ? Object.entries(reply) : asPairs(reply, 'member');
      const before = watched;
      watched = new Map();
      for (const [session, text] of found) {
        const asked = now();
        const beat = await connection.command('hget', keys.session(session).session, 'beat');
        const known = before.get(session);
        const since = known !== undefined && known.beat === beat ? known.since : now();
        const ttlMs = parseTimes(String(text))?.ttlMs ?? 0;
        if (asked - since >= Math.max(goneMs, 10 * ttlMs)) await remove(session);
        else watched.set(session, { beat, since });
      }
    },
  };
}

const refusedFor = (format: string | undefined): JoinRefusal | undefined =>
  format === undefined ? undefined : { why: 'format', text: format };

export function otherTimes(mine: SessionTimes, member: SessionId, theirs: SessionTimes): JoinRefusal {
  const facts = [
    ['TALLYLIGHT_SESSION_TTL_MS', mine.ttlMs, mine.ttlMaxMs, theirs.ttlMs, theirs.ttlMaxMs],
    [
      'TALLYLIGHT_GRAPH_TIMEOUT_MS',
      mine.graphTimeoutMs,
      mine.graphTimeoutMaxMs,
      theirs.graphTimeoutMs,
      theirs.graphTimeoutMaxMs,
    ],
  ] as const;
  const problems = facts.flatMap(([name, own, ownMax, other, otherMax]) => [
    ...(own > otherMax
      ? [`${name} is ${own} on this instance, but session ${member} allows at most ${otherMax}`]
      : []),
    ...(other > ownMax
      ? [`${name} is ${other} at session ${member}, but this instance allows at most ${ownMax}`]
      : []),
  ]);
  const text = `${problems.join('; ')}. All instances of a store must agree on these times: set the same value everywhere, or allow the largest value with TALLYLIGHT_SESSION_TTL_MAX_MS and TALLYLIGHT_GRAPH_TIMEOUT_MAX_MS`;
  return { why: 'times', text };
}
