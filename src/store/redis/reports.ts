import type { Report, Reported, Reporter } from '../../core/ports/outbox.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';

/** Lines without a call wait in the outbox of one shard, so that they keep their order. */
export const reportShard = 0;

const textOf = ({ beat, number }: Reporter): string => `${beat} ${number}`;

/** Takes the lines of instances that have refused writes into the outbox. */
export async function takeReport(
  connection: Connection,
  keys: Keys,
  { from, lines, gone, last }: Report,
): Promise<Reported> {
  const { now, reporters } = await connection.script(
    scripts.report,
    { reporters: keys.reporters, outbox: keys.shard(reportShard).outbox },
    {
      instance: from.instance,
      beat: String(from.beat),
      lines: JSON.stringify(lines.map((line) => [line.number, JSON.stringify(line)])),
      gone: JSON.stringify(gone.map((other) => [other.instance, textOf(other)])),
      last: last ? '1' : '0',
      channel: lines.length > 0 ? keys.evidence : '',
      shard: String(reportShard),
    },
  );
  return { now, others: reporters.filter(({ instance }) => instance !== from.instance) };
}
