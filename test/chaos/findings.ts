import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import { judgeAnswers, type TimedAnswer, type Times } from './answers.ts';
import type { Arena } from './arena.ts';
import type { Tally } from './bots.ts';
import { overInOrder, strayBytes, uncovered, unjudged, wholeThoughCut } from './checker.ts';
import { judgeStops } from './hard-stops.ts';
import type { Pulse } from './pulse.ts';
import type { StreamTally } from './streams.ts';
import type { StampedWrite } from './stamps.ts';
import type { StormReport } from './storm.ts';
import type { Troubles } from './troubles.ts';

/** What a run leaves behind. */
export interface Remains {
  readonly arena: Arena;
  readonly times: Times;
  readonly tally: Tally;
  readonly troubles: Troubles;
  readonly weather: StormReport;
  readonly pulse: Pulse;
  readonly records: readonly EvidenceRecord[];
}

export interface Findings {
  readonly times: Times;
  readonly faults: Readonly<Record<string, number>>;
  readonly starts: number;
  readonly confirmed: number;
  readonly uploads: number;
  /** WebSockets as the bots saw them. */
  readonly streams: StreamTally & {
    /** Those that the media handler saw the end of in order, and those it did not. */
    readonly keptWhole: number;
    readonly brokenOff: number;
    /** Bytes of them of which it is known when they were stored, or when they had left their proxy. */
    readonly judgedBytes: number;
  };
  /** Uploads that were answered with success, and WebSockets that ended in order. */
  readonly acknowledged: number;
  /** The others, where the evidence tells that nothing of their epoch was cut off. */
  readonly overInOrder: number;
  /** Writes that came to the media handler, and were neither. */
  readonly cut: number;
  readonly unjudgedBytes: number;
  readonly wholeThoughCut: number;
  readonly storedBytes: number;
  readonly stops: number;
  /** Those that no fault excused, and how near the slowest came to its bound, ms. */
  readonly stopsJudged: number;
  readonly leastMarginMs: number;
  /** For how long this process was held up in the whole run, ms. */
  readonly lateMs: number;
  /** Writes that were begun where a stop had been refused before, with nothing recorded anew since. */
  readonly writesAfterRefusedStops: number;
  /** Writes that were begun while the store was full for longer than a session lives. */
  readonly writesWhileFull: number;
  readonly keepAlives: number;
  /** Those that were asked and answered while the store was away. */
  readonly keepAlivesJudged: number;
  readonly graphRequests: number;
  readonly records: number;
  readonly violations: readonly string[];
}

/** Judges a run by the stamps, Graph's log and the evidence. */
export function judge({ arena, times, tally, troubles, weather, pulse, records }: Remains): Findings {
  const { log, banner } = arena.graph;
  const { writes } = arena.sink;
  const side = { log, banner, sightings: arena.sightings };
  const { answers } = tally;
  const acknowledged = new Set([...tally.acknowledged, ...overInOrder(writes, records)]);
  const streams = writes.filter(({ isStream }) => isStream);
  const bytesOf = (some: readonly StampedWrite[]): number =>
    some.reduce((sum, { ranges }) => sum + (ranges.at(-1)?.to ?? 0), 0);
  const judged = judgeAnswers(answers, troubles.list, times, (from, until) => pulse.lateMs(from, until));
  const hard = judgeStops({
    ...{ answers, tries: tally.tries, troubles: troubles.list, log, ttlMs: times.ttlMs },
    stored: new Set(writes.filter(({ ranges }) => ranges.length > 0).map(({ name }) => name)),
    lateMs: (from, until) => pulse.lateMs(from, until),
  });
  const count = (what: TimedAnswer['what']): number =>
    answers.filter((answer) => answer.what === what).length;
  return {
    times,
    faults: weather.faults,
    starts: tally.starts,
    confirmed: tally.confirmed,
    uploads: tally.uploads,
    streams: {
      ...tally.streams,
      keptWhole: streams.filter(({ endedAt }) => endedAt !== undefined).length,
      brokenOff: streams.filter(({ endedAt }) => endedAt === undefined).length,
      judgedBytes: bytesOf(streams) - unjudged(streams, acknowledged),
    },
    acknowledged: tally.acknowledged.size,
    overInOrder: acknowledged.size - tally.acknowledged.size,
    cut: writes.filter(({ name }) => !acknowledged.has(name)).length,
    unjudgedBytes: unjudged(writes, acknowledged),
    wholeThoughCut: wholeThoughCut(writes, acknowledged, side),
    storedBytes: bytesOf(writes),
    stops: count('stop'),
    stopsJudged: judged.stops,
    leastMarginMs: judged.leastMarginMs,
    lateMs: Math.round(pulse.lateMs(0, Infinity)),
    writesAfterRefusedStops: hard.afterStops,
    writesWhileFull: hard.whileFull,
    keepAlives: count('keepAlive'),
    keepAlivesJudged: judged.signals,
    graphRequests: log.length,
    records: records.length,
    violations: [
      ...weather.failures,
      ...arena.instances.flatMap(({ surprises }) => surprises),
      ...strayBytes(writes, acknowledged, side),
      ...uncovered(writes, records, troubles.list),
      ...judged.problems,
      ...hard.problems,
    ],
  };
}
