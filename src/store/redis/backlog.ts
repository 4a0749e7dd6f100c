import type { Backlog } from '../../core/ports/outbox.ts';
import type { Connection } from './connection.ts';
import { asList, asMap, asNumber, asText } from './decode.ts';
import type { Keys } from './keys.ts';

/** What an entry takes in memory besides its text, about. */
const overheadBytes = 64;

interface Oldest {
  readonly stream: string;
  readonly id: string;
  /** Of its text. */
  readonly bytes: number;
}

/** One look at the outbox: one command for each slot, and one for each shard where something waits. */
export async function backlogOf(connection: Connection, keys: Keys): Promise<Backlog> {
  const streams = Array.from({ length: keys.shards }, (_, shard) => keys.shard(shard).outbox);
  const together = connection.kind === 'cluster' ? streams.map((stream) => [stream]) : [streams];
  const found = (await Promise.all(together.map((some) => oldestIn(connection, some)))).flat();
  if (found.length === 0) return { oldest: null, bytes: 0 };
  const [time, ...lengths] = await Promise.all([
    connection.command('time'),
    ...found.map(({ stream }) => connection.command('xlen', stream)),
  ]);
  const now = asNumber(asText(asList(time, 'time')[0], 'time'), 'time') * 1000;
  const waiting = found.map((entry, n) => ({ ...entry, length: asNumber(lengths[n], 'outbox') }));
  const { stream, id } = waiting.reduce((a, b) => (committedAt(b.id) < committedAt(a.id) ? b : a));
  return {
    oldest: { id: `${stream} ${id}`, ageMs: Math.max(0, now - committedAt(id)) },
    bytes: waiting.reduce((sum, { length, bytes }) => sum + length * (bytes + overheadBytes), 0),
  };
}

/** The id of an entry begins with the time of its server, ms. */
const committedAt = (id: string): number => Number.parseInt(id, 10);

async function oldestIn(connection: Connection, streams: readonly string[]): Promise<Oldest[]> {
  const asked = ['COUNT', '1', 'STREAMS', ...streams, ...streams.map(() => '0')];
  const reply = await connection.command('xread', ...asked);
  return (reply === null ? [] : asMap(reply, 'outbox')).flatMap(([stream, entries]) =>
    asList(entries, 'outbox').map((entry) => {
      const [id, fields] = asList(entry, 'outbox entry');
      const texts = asList(fields, 'outbox entry').map((text) => asText(text, 'outbox entry'));
      const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      return { stream, id: asText(id, 'outbox entry'), bytes };
    }),
  );
}
