import type { LogEntry } from '../../src/sandbox/graph/log.ts';
import type { Sighting } from './sightings.ts';

/** From Graph's success to the next stop. */
export interface Light {
  readonly from: number;
  to: number;
}

const undashed = (id: string | null): string => (id ?? '').replaceAll('-', '').toLowerCase();

/**
 * When the light of each call was on, by Graph's clock alone: from the moment Graph told of a success, in its answer or
 * in an operation that was read, to the moment the next stop left a proxy or came to Graph, whatever came of it.
 */
export function lightsOf(
  log: readonly LogEntry[],
  sightings: readonly Sighting[],
): Map<string, readonly Light[]> {
  const calls = new Map<
    string,
    { readonly starts: LogEntry[]; readonly stops: number[]; readonly reads: LogEntry[] }
  >();
  const of = (id: string | null): NonNullable<ReturnType<typeof calls.get>> => {
    const known = calls.get(undashed(id)) ?? { starts: [], stops: [], reads: [] };
    calls.set(undashed(id), known);
    return known;
  };
  for (const entry of log) {
    if (entry.asked === 'recording') of(entry.call).starts.push(entry);
    else if (entry.asked !== null || entry.action === 'hangUp') of(entry.call).stops.push(entry.receivedAt);
    else if (entry.action === 'getOperation') of(entry.call).reads.push(entry);
  }
  for (const { call, at } of sightings) of(call).stops.push(at);
  return new Map(
    [...calls].map(([call, { starts, stops, reads }]) => [
      call,
      starts.flatMap((start): Light[] => {
        const from = toldAt(start, reads);
        if (from === undefined) return [];
        // A stop that came between the request and the news of its success belongs to this light as well.
        return [{ from, to: Math.min(Infinity, ...stops.filter((at) => at > start.receivedAt)) }];
      }),
    ]),
  );
}

/** When Graph first told that a start had succeeded; undefined: it never did. */
function toldAt(
  { answered, answeredAt, effectAt }: LogEntry,
  reads: readonly LogEntry[],
): number | undefined {
  if (effectAt === null || answeredAt === null) return undefined;
  if (answered === 200 && effectAt <= answeredAt) return answeredAt;
  if (typeof answered !== 'number' || answered >= 300) return undefined;
  return reads.find(
    (read) => read.answered === 200 && read.answeredAt !== null && read.answeredAt >= effectAt,
  )?.answeredAt as number | undefined;
}
