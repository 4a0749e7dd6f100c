import type { EvidenceRecord } from '../../src/core/evidence.ts';
import { judgeAnswers, type TimedAnswer, type Times } from './answers.ts';
import type { Arena } from './arena.ts';
import type { Tally } from './bots.ts';
import { strayBytes, uncovered, unjudged, wholeThoughCut } from './checker.ts';
import type { Pulse } from './pulse.ts';
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
  /** Uploads that were answered with success. */
  readonly acknowledged: number;
  /** Uploads of which something was stored, but that were not. */
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
  const { acknowledged, answers } = tally;
  const judged = judgeAnswers(answers, troubles.list, times, (from, until) => pulse.lateMs(from, until));
  const count = (what: TimedAnswer['what']): number =>
    answers.filter((answer) => answer.what === what).length;
  return {
    times,
    faults: weather.faults,
    starts: tally.starts,
    confirmed: tally.confirmed,
    uploads: tally.uploads,
    acknowledged: acknowledged.size,
    cut: writes.filter(({ name }) => !acknowledged.has(name)).length,
    unjudgedBytes: unjudged(writes, acknowledged),
    wholeThoughCut: wholeThoughCut(writes, acknowledged, side),
    storedBytes: writes.reduce((sum, { ranges }) => sum + (ranges.at(-1)?.to ?? 0), 0),
    stops: count('stop'),
    stopsJudged: judged.stops,
    leastMarginMs: judged.leastMarginMs,
    lateMs: Math.round(pulse.lateMs(0, Infinity)),
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
    ],
  };
}
