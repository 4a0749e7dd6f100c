import type { Outbox, OutboxEntry } from '../../core/ports/outbox.ts';
import { backlogOf } from './backlog.ts';
import type { Connection } from './connection.ts';
import { asList, asMap, asNumber, asText, malformed, parseContent } from './decode.ts';
import type { Keys } from './keys.ts';
import { reportShard, takeReport } from './reports.ts';
import { type Rival, scripts } from './scripts.ts';
import type { WakeUps } from './wake.ts';

/** So often may all shards be asked whether something waits that other instances have committed, ms. */
const sweepEveryMs = { subscribed: 10_000, unsubscribed: 2000 };

export interface RedisOutbox extends Outbox {
  /** Something may wait in this shard. */
  hint(shard: number): void;
}

type Waiting = OutboxEntry & {
  /** When it was committed, ms, by the clock of its shard. */
  readonly time: number;
};

/** An entry is named by its shard and its id in the shard's stream. */
const entryId = (shard: number, id: string): string => `${shard}/${id}`;

export function redisOutbox(
  connection: Connection,
  keys: Keys,
  wakeUps: WakeUps,
  now: () => number,
): RedisOutbox {
  /** Shards where something may wait; the one asked longest ago comes first. */
  const hints = new Set<number>();
  let sweptAt = -Infinity;
  let listening: Promise<() => void> | undefined;
  /** Who else has the lease, and since when it has stood as it is, by our own clock. */
  let rival: (Rival & { readonly since: number }) | undefined;

  const shards = Array.from({ length: keys.shards }, (_, shard) => shard);
  const shardOf = new Map(shards.map((shard) => [keys.shard(shard).outbox, shard]));
  /** What one command may ask for: in a cluster each shard has a slot of its own. */
  const together = connection.kind === 'cluster' ? shards.map((shard) => [shard]) : [shards];

  const search = async (some: readonly number[]): Promise<void> => {
    const streams = some.map((shard) => keys.shard(shard).outbox);
    const reply = await connection.command(
      'xread',
      ...['COUNT', '1', 'STREAMS', ...streams, ...streams.map(() => '0')],
    );
    for (const [stream] of reply === null ? [] : asMap(reply, 'outbox')) {
      const shard = shardOf.get(stream);
      if (shard === undefined) throw malformed('outbox');
      hints.add(shard);
    }
  };
  const sweepSoon = (): void => {
    sweptAt = -Infinity;
  };
  const sweep = async (): Promise<void> => {
    // Noted before asking: a reason to sweep again that comes meanwhile stays.
    sweptAt = now();
    await Promise.all(together.map(search)).catch((error: unknown) => {
      sweepSoon();
      throw error;
    });
  };

  const depth = async (): Promise<number> => {
    const lengths = await Promise.all(
      shards.map(async (shard) => {
        const length = asNumber(await connection.command('xlen', keys.shard(shard).outbox), 'outbox');
        if (length > 0) hints.add(shard);
        return length;
      }),
    );
    return lengths.reduce((sum, length) => sum + length, 0);
  };

  const woken = (message?: string): void => {
    const shard = Number(message);
    if (shards.includes(shard)) hints.add(shard);
    else sweepSoon();
  };
  /** What is committed before the subscription is found by the sweep after it. */
  const listen = (): void => {
    listening ??= wakeUps.on(keys.evidence, woken).finally(sweepSoon);
  };
  const stopListening = async (): Promise<void> => {
    const stop = await listening;
    listening = undefined;
    stop?.();
  };

  const oldest = async (shard: number, count: number): Promise<readonly Waiting[]> => {
    // Taken back before asking: a hint that comes meanwhile stays.
    hints.delete(shard);
    const key = keys.shard(shard).outbox;
    const reply = await connection
      .command('xrange', key, '-', '+', 'COUNT', String(count))
      .catch((error: unknown) => {
        hints.add(shard);
        throw error;
      });
    const entries = asList(reply, 'outbox').map((item): Waiting => {
      const [rawId, fields] = asList(item, 'outbox entry');
      const id = asText(rawId, 'outbox entry');
      return { ...parseContent(fields), id: entryId(shard, id), time: Number.parseInt(id, 10) };
    });
    if (entries.length > 0) hints.add(shard);
    return entries;
  };

  return {
    hint: (shard) => void hints.add(shard),
    lease: async (owner, forMs) => {
      const found = await connection.script(scripts.lease, keys, {
        owner,
        forMs: String(Math.ceil(forMs)),
        rival: rival?.owner ?? '',
        beat: String(rival?.beat ?? 0),
        stoodMs: rival === undefined ? '0' : Math.max(0, now() - rival.since).toFixed(3),
      });
      if (found === undefined) {
        rival = undefined;
        listen();
        return true;
      }
      if (found.owner !== rival?.owner || found.beat !== rival.beat) rival = { ...found, since: now() };
      await stopListening();
      return false;
    },
    release: async (owner) => {
      await stopListening();
      await connection.script(scripts.release, keys, { owner });
    },
    pending: async (limit) => {
      const everyMs = wakeUps.isSubscribed(keys.evidence)
        ? sweepEveryMs.subscribed
        : sweepEveryMs.unsubscribed;
      if (now() - sweptAt > everyMs) await sweep();
      for (;;) {
        const asked = [...hints].slice(0, limit);
        if (asked.length === 0) return [];
        const each = Math.ceil(limit / asked.length);
        const found = (await Promise.all(asked.map((shard) => oldest(shard, each)))).flat();
        // Stable, so entries of one shard, and with them those of one call, stay in order.
        if (found.length > 0) return found.sort((a, b) => a.time - b.time).slice(0, limit);
        // Nothing came of these hints, and they are gone.
      }
    },
    remove: async (entries) => {
      const ids = new Map<number, string[]>();
      for (const { id } of entries) {
        const [, shard, streamId] = /^(\d{1,3})\/(\d+-\d+)$/.exec(id) ?? [];
        if (shard === undefined || streamId === undefined) throw malformed('outbox id');
        ids.set(Number(shard), [...(ids.get(Number(shard)) ?? []), streamId]);
      }
      await Promise.all(
        [...ids].map(([shard, list]) => connection.command('xdel', keys.shard(shard).outbox, ...list)),
      );
    },
    depth,
    backlog: () => backlogOf(connection, keys),
    report: async (report) => {
      try {
        return await takeReport(connection, keys, report);
      } finally {
        if (report.lines.length > 0) hints.add(reportShard);
      }
    },
    claimSink: (wanted, insteadOf = '') => connection.script(scripts.claim, keys, { wanted, insteadOf }),
  };
}
