import type { CallKey } from '../../core/call/key.ts';
import type { HolderTimes, SessionId } from '../../core/call/session.ts';
import { closingEvents, isUnconfirmedStop, isWatched } from '../../core/call/state.ts';
import { hasNoCounts } from '../../core/call/tally.ts';
import { Fault } from '../../core/errors.ts';
import type { Acquired, CallStore } from '../../core/ports/call-store.ts';
import { batched } from './batched.ts';
import type { Connection } from './connection.ts';
import { sumCensus } from './decode.ts';
import type { Keys } from './keys.ts';
import { openState, scripts, tallyName } from './scripts.ts';
import type { Shards } from './shards.ts';

interface Hints {
  /** In which shard evidence may now wait, also when the reply was lost. */
  committed(shard: number): void;
  /** In which shard a session may become a holder; its times, undefined: it has not joined. */
  acquiring(session: SessionId, shard: number): HolderTimes | undefined;
}

/** First grants that are asked for at a time: a burst of returning clients must not run into the time of one command. */
const firstGrants = { most: 16, size: 32 };
/** How many calls are forgotten at a time. */
const sweptTogether = 32;

interface Asked {
  readonly call: CallKey;
  readonly session: SessionId;
  readonly times: HolderTimes;
}

export function redisCalls(connection: Connection, keys: Keys, shards: Shards, hints: Hints): CallStore {
  const all = Array.from({ length: keys.shards }, (_, shard) => shard);
  const firstGrant = batched(
    firstGrants,
    async ([first, ...others]: readonly [Asked, ...Asked[]]): Promise<readonly Acquired[]> => {
      const { call, session, times } = first;
      const part = keys.shardOf(call);
      const more = others.map((other) => keys.call(other.call));
      const replies = await connection.script(
        scripts.acquire,
        keys.call(call),
        {
          session,
          ttlMs: String(Math.ceil(times.ttlMs)),
          graphTimeoutMs: String(Math.ceil(times.graphTimeoutMs)),
          open: openState,
          ...shards.readArguments(part),
        },
        more.flatMap((named) => [named.call, named.holders]),
      );
      return replies.map((reply) => {
        if (reply.state !== openState) return reply;
        const { opened, ...held } = reply;
        return { ...held, openForMs: shards.elapsedSince(part, opened) };
      });
    },
  );
  return {
    read: async (call) => {
      const part = keys.shardOf(call);
      const asked = shards.now();
      const { shard, ...view } = await connection.script(
        scripts.read,
        keys.call(call),
        shards.readArguments(part),
      );
      return { ...view, livedMs: shards.saw(part, shard, asked) };
    },
    commit: async ({ call, version, life, state, record, dropTallies, retentionMs, operation }) => {
      const part = keys.shardOf(call);
      const script = closingEvents.includes(record.event) ? scripts.commitClosing : scripts.commit;
      try {
        return await connection.script(script, keys.call(call), {
          operation,
          version: String(version),
          life,
          state: state.state,
          epoch: String(state.epoch),
          binding: JSON.stringify(state.binding),
          value: JSON.stringify(state),
          record: JSON.stringify(record),
          dropTallies: dropTallies ? '1' : '0',
          retentionMs: retentionMs === undefined ? '' : String(Math.ceil(retentionMs)),
          id: call,
          listed: isWatched(state) ? '1' : '0',
          stop: isUnconfirmedStop(state) ? '1' : '0',
          open: openState,
          ...shards.reportArguments(part),
          channel: keys.evidence,
          part: String(part),
        });
      } finally {
        hints.committed(part);
      }
    },
    acquire: async (call, session) => {
      const part = keys.shardOf(call);
      const times = hints.acquiring(session, part);
      if (times === undefined) throw new Fault('StoreUnavailable', 'the session has not joined the store');
      return firstGrant(`${part} ${session}`, { call, session, times });
    },
    leave: async (call, { session, epoch }, tally) => {
      await connection.script(scripts.leave, keys.call(call), {
        session,
        epoch: String(epoch),
        name: tallyName(session, epoch),
        tally: JSON.stringify({
          admitted: tally.admitted,
          aborted: tally.aborted,
          unanswered: tally.unanswered,
          refused: tally.refused,
          bytes: tally.bytes,
          left: tally.left,
          drainMs: tally.drainMs,
          discarded: tally.discarded,
          notDiscarded: tally.notDiscarded,
          notDiscardedIds: tally.notDiscardedIds,
        }),
        how: hasNoCounts(tally) ? 'HSETNX' : 'HSET',
      });
    },
    census: async () => {
      const found = await Promise.all(
        all.map((part) => connection.command('hgetall', keys.shard(part).census)),
      );
      return sumCensus(found);
    },
    oldestStop: async () => {
      const found = await Promise.all(
        all.map((part) => connection.script(scripts.stops, keys.shard(part), shards.reportArguments(part))),
      );
      const ages = found.filter((age) => age !== undefined);
      return ages.length === 0 ? undefined : Math.max(...ages);
    },
    touch: async (calls) => {
      const ids = new Map<number, CallKey[]>();
      for (const call of calls) {
        const part = keys.shardOf(call);
        const others = ids.get(part);
        if (others === undefined) ids.set(part, [call]);
        else others.push(call);
      }
      await Promise.all(
        [...ids].map(([part, list]) =>
          connection.script(scripts.touch, keys.shard(part), {
            ids: JSON.stringify(list),
            ...shards.reportArguments(part),
          }),
        ),
      );
    },
    idle: async (forMs, limit) => {
      // To Redis a limit below zero is none.
      if (limit <= 0) return [];
      const wanted = { forMs: String(Math.ceil(forMs)), limit: String(Math.floor(limit)) };
      const found = await Promise.all(
        all.map((part) =>
          connection.script(scripts.idle, keys.shard(part), { ...wanted, ...shards.reportArguments(part) }),
        ),
      );
      return found
        .flat()
        .sort((a, b) => a.since - b.since)
        .slice(0, limit)
        .map(({ call }) => call);
    },
    sweep: async (limit) => {
      const each = String(Math.max(0, Math.floor(limit)));
      const found = await Promise.all(
        all.map((part) =>
          connection.script(scripts.due, keys.shard(part), { limit: each, ...shards.reportArguments(part) }),
        ),
      );
      const due = found.flat().slice(0, Math.max(0, limit));
      let swept = 0;
      for (let next = 0; next < due.length; next += sweptTogether) {
        const forgotten = await Promise.all(
          due.slice(next, next + sweptTogether).map((call) =>
            connection.script(scripts.sweep, keys.call(call), {
              id: call,
              ...shards.readArguments(keys.shardOf(call)),
            }),
          ),
        );
        swept += forgotten.filter(Boolean).length;
      }
      return swept;
    },
  };
}
