import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { LogEntry } from '../../src/sandbox/graph/log.ts';
import type { BannerChange } from '../../src/sandbox/graph/state.ts';
import { lightsOf } from './lights.ts';
import type { Sighting } from './sightings.ts';
import type { StampedWrite } from './stamps.ts';
import type { Trouble } from './troubles.ts';

/** What Graph knows, and what was seen on the way to it. */
export interface GraphSide {
  readonly log: readonly LogEntry[];
  readonly banner: readonly BannerChange[];
  readonly sightings: readonly Sighting[];
}

/**
 * (a) Every stored byte lies between a success and the stop that followed it, and participants saw that they were
 * recorded. Writes that nobody was ever told to be stored, those not `acknowledged`, count from when they left the proxy,
 * since nobody can call back what is on the wire; where that is unknown, nothing can be said of them.
 */
export function strayBytes(
  writes: readonly StampedWrite[],
  acknowledged: ReadonlySet<string>,
  { log, banner, sightings }: GraphSide,
): string[] {
  const lights = lightsOf(log, sightings);
  const banners = new Map<string, BannerChange[]>();
  for (const change of banner) {
    const call = change.call.replaceAll('-', '').toLowerCase();
    banners.set(call, [...(banners.get(call) ?? []), change]);
  }
  const isLit = (call: string, at: number): boolean =>
    (lights.get(call) ?? []).some(({ from, to }) => from <= at && at <= to);
  const isShown = (call: string, at: number): boolean =>
    banners.get(call)?.findLast((change) => change.at <= at)?.state === 'recording';

  return writes.flatMap(({ name, call, epoch, ranges, endedAt }) => {
    const isAcknowledged = acknowledged.has(name);
    const moments = ranges.flatMap(({ at, leftAt, from, to }) => {
      const moment = isAcknowledged ? at : leftAt;
      return moment === undefined ? [] : [{ moment, what: `bytes ${from} to ${to}` }];
    });
    if (isAcknowledged) moments.push({ moment: endedAt ?? Infinity, what: 'the end' });
    return moments.flatMap(({ moment, what }) => {
      const told = `${what} of ${name} of call ${call}, epoch ${epoch}, at ${moment.toFixed(1)}`;
      if (!isLit(call, moment)) return [`${told}: no success of Graph before, or a stop since`];
      return isShown(call, moment) ? [] : [`${told}: participants saw no recording`];
    });
  });
}

const epochName = (call: string, epoch: number): string => `${call} ${epoch}`;

/**
 * The names of the writes of which the evidence tells that all of their epoch were over before its stop was sent, none of
 * them cut off: whatever their bots were told, they count from when they were stored.
 */
export function overInOrder(
  writes: readonly StampedWrite[],
  records: readonly EvidenceRecord[],
): ReadonlySet<string> {
  const epochs = new Set(
    records
      .filter(({ event, detail }) => {
        if (event !== 'drained' || detail.interval === null) return false;
        const { aborted, unanswered } = detail.writes as {
          readonly [count in 'aborted' | 'unanswered']: number;
        };
        const holders = detail.holders as unknown as { readonly left: string }[];
        return aborted + unanswered === 0 && !holders.some(({ left }) => left === 'lost');
      })
      .map(({ call, epoch }) => epochName(call, epoch)),
  );
  return new Set(
    writes.filter(({ call, epoch }) => epochs.has(epochName(call, epoch))).map(({ name }) => name),
  );
}

/**
 * Writes that came to the sink whole after a stop, though their bot was told that they were cut: their last bytes were on
 * the wire by then.
 */
export function wholeThoughCut(
  writes: readonly StampedWrite[],
  acknowledged: ReadonlySet<string>,
  { log, sightings }: GraphSide,
): number {
  const lights = lightsOf(log, sightings);
  return writes.filter(
    ({ name, call, endedAt }) =>
      endedAt !== undefined &&
      !acknowledged.has(name) &&
      !(lights.get(call) ?? []).some(({ from, to }) => from <= endedAt && endedAt <= to),
  ).length;
}

/** Bytes of writes that nobody was told to be stored, of which it is not known when they left their proxy. */
export const unjudged = (writes: readonly StampedWrite[], acknowledged: ReadonlySet<string>): number =>
  writes
    .filter(({ name }) => !acknowledged.has(name))
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { from, to, leftAt }) => (leftAt === undefined ? sum + to - from : sum), 0);

/** So long may evidence wait in the store before it is in the files: the lease of a writer that was lost, and a full disk, ms. */
const waitingMs = 30_000;

/**
 * (b) The evidence accounts for every byte: it tells that the epoch of the write was confirmed, and that at least so
 * many bytes were admitted in it, unless an instance that held the call was lost. What waited in a store that forgot it
 * cannot be there.
 */
export function uncovered(
  writes: readonly StampedWrite[],
  records: readonly EvidenceRecord[],
  troubles: readonly Trouble[],
): string[] {
  const confirmed = new Set(
    records
      .filter(({ event }) => event === 'startConfirmed')
      .map(({ call, epoch }) => epochName(call, epoch)),
  );
  const stored = new Map<string, { bytes: number; lastAt: number; call: string; epoch: number }>();
  for (const { call, epoch, ranges } of writes) {
    const last = ranges.at(-1);
    if (last === undefined) continue;
    const key = epochName(call, epoch);
    const sum = stored.get(key) ?? { bytes: 0, lastAt: 0, call, epoch };
    stored.set(key, { call, epoch, bytes: sum.bytes + last.to, lastAt: Math.max(sum.lastAt, last.at) });
  }
  const forgotten = (at: number): boolean =>
    troubles.some(({ forgets, from, until }) => forgets && at <= until && from <= at + waitingMs);
  const problems = [...stored.values()]
    .filter(({ call, epoch, lastAt }) => !confirmed.has(epochName(call, epoch)) && !forgotten(lastAt))
    .map(
      ({ call, epoch, bytes }) =>
        `${bytes} bytes of call ${call} are in epoch ${epoch}, which was never confirmed`,
    );
  for (const { event, call, epoch, detail } of records) {
    if (event !== 'drained' || detail.interval === null) continue;
    const holders = detail.holders as unknown as { readonly left: string }[];
    const told = (detail.writes as { readonly bytes: number }).bytes;
    const { bytes = 0 } = stored.get(epochName(call, epoch)) ?? {};
    if (bytes > told && !holders.some(({ left }) => left === 'lost'))
      problems.push(
        `${bytes} bytes of call ${call}, epoch ${epoch}, were stored; the evidence tells of ${told}`,
      );
  }
  return problems;
}

/** (b) What the store remembers of a call at the end is the last that the evidence tells of it. */
export function lostRecords(
  heads: ReadonlyMap<string, string | null>,
  records: readonly EvidenceRecord[],
): string[] {
  const last = new Map(records.map(({ call, hash }) => [call as string, hash]));
  return [...heads].flatMap(([call, head]) =>
    head === null || last.get(call) === head
      ? []
      : [`the last records of call ${call} are not in the evidence`],
  );
}

/** (b) No record is in the evidence twice. */
export function doubledRecords(records: readonly EvidenceRecord[]): string[] {
  const seen = new Set<string>();
  return records.flatMap(({ call, seq, hash }) => {
    if (!seen.has(hash)) {
      seen.add(hash);
      return [];
    }
    return [`record ${seq} of call ${call} is in the evidence twice`];
  });
}
