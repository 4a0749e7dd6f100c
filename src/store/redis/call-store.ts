import type { CallKey } from '../../core/call-key.ts';
import type { CallStore, SessionId } from '../../core/ports.ts';
import { saysNothing } from '../../core/tally.ts';
import type { Connection } from './connection.ts';
import { sumCensus } from './decode.ts';
import type { Keys } from './keys.ts';
import { openState, scripts, tallyName } from './scripts.ts';

interface Hints {
  /** In which shard evidence may now wait, also when the reply was lost. */
  committed(shard: number): void;
  /** In which shard a session may become a holder. */
  acquiring(session: SessionId, shard: number): void;
}

export function redisCalls(connection: Connection, keys: Keys, hints: Hints): CallStore {
  return {
    read: (call) => connection.script(scripts.read, keys.call(call), {}),
    commit: async ({ call, version, state, record, dropTallies, retentionMs, operation }) => {
      try {
        return await connection.script(scripts.commit, keys.call(call), {
          operation,
          version: String(version),
          state: state.state,
          epoch: String(state.epoch),
          binding: JSON.stringify(state.binding),
          value: JSON.stringify(state),
          record: JSON.stringify(record),
          dropTallies: dropTallies ? '1' : '0',
          retentionMs: retentionMs === undefined ? '' : String(Math.ceil(retentionMs)),
          id: call,
          listed: state.state === 'ended' ? '0' : '1',
          // The store's clock when the change was computed.
          readAt: String(Date.parse(record.at) - (record.step ?? 0)),
          channel: keys.evidence,
          shard: String(keys.shardOf(call)),
        });
      } finally {
        hints.committed(keys.shardOf(call));
      }
    },
    acquire: (call, session) => {
      hints.acquiring(session, keys.shardOf(call));
      return connection.script(scripts.acquire, keys.call(call), { session, open: openState });
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
        how: saysNothing(tally) ? 'HSETNX' : 'HSET',
      });
    },
    census: async () => {
      const shards = Array.from({ length: keys.shards }, (_, shard) => keys.shard(shard).census);
      const found = await Promise.all(shards.map((key) => connection.command('hgetall', key)));
      return sumCensus(found);
    },
    heard: async (calls) => {
      const ids = new Map<number, CallKey[]>();
      for (const call of calls) {
        const shard = keys.shardOf(call);
        const others = ids.get(shard);
        if (others === undefined) ids.set(shard, [call]);
        else others.push(call);
      }
      await Promise.all(
        [...ids].map(([shard, list]) =>
          connection.script(scripts.heard, keys.shard(shard), { ids: JSON.stringify(list) }),
        ),
      );
    },
    silent: async (forMs, limit) => {
      // To Redis a limit below zero is none.
      if (limit <= 0) return [];
      const wanted = { forMs: String(Math.ceil(forMs)), limit: String(Math.floor(limit)) };
      const shards = Array.from({ length: keys.shards }, (_, shard) => keys.shard(shard));
      const found = await Promise.all(
        shards.map((shard) => connection.script(scripts.silent, shard, wanted)),
      );
      return found
        .flat()
        .sort((a, b) => a.since - b.since)
        .slice(0, limit)
        .map(({ call }) => call);
    },
    forget: async (call) => {
      await connection.script(scripts.forget, keys.call(call), { id: call });
    },
  };
}
