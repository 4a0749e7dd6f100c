import { isRecord } from '../../core/json.ts';
import type { Acknowledged, HoldStore } from '../../core/ports/hold-store.ts';
import type { Connection } from './connection.ts';
import { asList, asPairs } from './decode.ts';
import type { Keys } from './keys.ts';
import { reportShard } from './reports.ts';
import { parseTimes, scripts } from './scripts.ts';
import type { Shards } from './shards.ts';
import type { WakeUps } from './wake.ts';

/** The part of the store that the holds are in, with the outbox that takes their lines. */
const part = reportShard;

const acknowledgedText = ({ life, number }: Acknowledged): string => `${number} ${life}`;

function hasAcknowledged(text: string | undefined, { life, number }: Acknowledged): boolean {
  const [, known = '', of = ''] = /^(\d{1,15}) (.+)$/.exec(text ?? '') ?? [];
  return of === life && known !== '' && Number(known) >= number;
}

/** A hash, which ioredis gives as a record or as one flat list. */
const fieldsOf = (reply: unknown, what: string): Map<string, string> =>
  new Map(
    isRecord(reply)
      ? Object.entries(reply).map(([name, value]) => [name, String(value)])
      : asPairs(reply, what),
  );

export function redisHolds(
  connection: Connection,
  keys: Keys,
  shards: Shards,
  wakeUps: WakeUps,
  hinted: (shard: number) => void,
): HoldStore {
  const named = { holds: keys.holds, acks: keys.acks, ...keys.shard(part) };
  return {
    read: async (session, acknowledged) => {
      const asked = shards.now();
      const { shard, ...view } = await connection.script(scripts.holds, named, {
        session: acknowledged === null ? '' : (session ?? ''),
        acknowledged: acknowledged === null ? '' : acknowledgedText(acknowledged),
        ...shards.readArguments(part),
      });
      shards.saw(part, shard, asked);
      // A recording that begins after this is not among those that are closed.
      for (const { epoch } of view.registry.closed) shards.passed(epoch);
      return view;
    },
    commit: async ({ expected, life, registry, line, operation }) => {
      const script = line?.act === 'set' ? scripts.holdClosing : scripts.hold;
      try {
        return await connection.script(script, named, {
          operation,
          number: String(expected),
          life,
          following: String(registry.number),
          value: JSON.stringify(registry),
          line: line === null ? '' : JSON.stringify(line),
          ...shards.reportArguments(part),
          evidence: keys.evidence,
          part: String(part),
          channel: keys.holdsChanged,
        });
      } finally {
        hinted(part);
      }
    },
    behind: async (acknowledged) => {
      const [members, acks] = await Promise.all([
        connection.command('hgetall', keys.members),
        connection.command('hgetall', keys.acks),
      ]);
      const known = fieldsOf(acks, 'acknowledged hold');
      return [...fieldsOf(members, 'member')]
        .filter(([session]) => !hasAcknowledged(known.get(session), acknowledged))
        .map(([session, text]) => ({ session, ttlMs: parseTimes(text)?.ttlMs ?? Infinity }));
    },
    isWaiting: async (entry) =>
      asList(await connection.command('xrange', named.outbox, entry, entry, 'COUNT', '1'), 'outbox').length >
      0,
    newestTime: async () => {
      const times = await Promise.all(
        Array.from({ length: keys.shards }, async (_, shard) => {
          const asked = shards.now();
          const facts = await connection.script(scripts.begin, keys.shard(shard), {
            kept: '',
            ...shards.reportArguments(shard),
          });
          shards.saw(shard, facts, asked);
          return facts.time;
        }),
      );
      return times.reduce((newest, time) => Math.max(newest, time), 0);
    },
    onChange: (listener) => wakeUps.on(keys.holdsChanged, () => listener()),
  };
}
