import type { EvidenceRecord } from '../../src/core/evidence.ts';
import type { LogEntry } from '../../src/server/sandbox/fake-graph-log.ts';
import type { StampedWrite } from './stamps.ts';

/** What Graph saw of one call: when `recording` was answered with success, and when the next stop came in. */
interface Light {
  readonly from: number;
  to: number;
}

const undashed = (id: string | null): string => (id ?? '').replaceAll('-', '').toLowerCase();

/** When the light of each call was on, by Graph's clock alone. A stop that Graph received ends it, whatever came of it. */
export function lightsOf(log: readonly LogEntry[]): Map<string, Light[]> {
  const lights = new Map<string, Light[]>();
  for (const entry of [...log].sort((one, other) => one.receivedAt - other.receivedAt)) {
    const starts = entry.asked === 'recording';
    const stops = entry.asked === 'notRecording' || entry.asked === 'failed' || entry.action === 'hangUp';
    if (!starts && !stops) continue;
    const call = undashed(entry.call);
    const known = lights.get(call) ?? [];
    lights.set(call, known);
    if (stops) for (const light of known) light.to = Math.min(light.to, entry.receivedAt);
    // Before Graph has answered nobody can know of the success; where the answer was lost, its operation may be read.
    else if (entry.effectAt !== null)
      known.push({ from: entry.answered === 200 ? (entry.answeredAt ?? entry.effectAt) : entry.effectAt, to: Infinity });
  }
  return lights;
}

/** (a) Every stored byte lies between a success and the stop that followed it. */
export function strayBytes(writes: readonly StampedWrite[], log: readonly LogEntry[]): string[] {
  const lights = lightsOf(log);
  return writes.flatMap(({ call, epoch, ranges }) =>
    ranges
      .filter(({ at }) => !(lights.get(call) ?? []).some(({ from, to }) => from <= at && at <= to))
      .map(({ at, from, to }) => `bytes ${from} to ${to} of call ${call}, epoch ${epoch}, were stored at ${at}`),
  );
}

/**
 * (b) Every write is covered by an interval of its call in the evidence: `startConfirmed` of its epoch is there, and
 * what complete writes stored in an interval is not more than what its end accounts for, unless an instance was lost.
 */
export function uncovered(writes: readonly StampedWrite[], records: readonly EvidenceRecord[]): string[] {
  const name = (call: string, epoch: number): string => `${call} ${epoch}`;
  const confirmed = new Set(
    records.filter(({ event }) => event === 'startConfirmed').map(({ call, epoch }) => name(call, epoch)),
  );
  const ends = records.filter(({ event, detail }) => event === 'drained' && detail.interval !== null);
  const problems = writes
    .filter(({ call, epoch, ranges }) => ranges.length > 0 && !confirmed.has(name(call, epoch)))
    .map(({ call, epoch }) => `a write of call ${call} is in epoch ${epoch}, which was never confirmed`);
  for (const { call, epoch, detail } of ends) {
    const holders = detail.holders as { left: string }[];
    const told = (detail.writes as { bytes: number }).bytes;
    const stored = writes
      .filter((write) => write.call === call && write.epoch === epoch && write.complete)
      .reduce((sum, { ranges }) => sum + (ranges.at(-1)?.to ?? 0), 0);
    const lost = holders.some(({ left }) => left === 'lost');
    if (!lost && stored > told)
      problems.push(`${stored} bytes of call ${call}, epoch ${epoch}, were stored; the evidence tells of ${told}`);
  }
  return problems;
}

/** One request of a bot, as the bot timed it. */
export interface TimedAnswer {
  readonly what: 'stop' | 'keepAlive';
  readonly call: string;
  readonly tookMs: number;
  /** 0: the connection broke. */
  readonly status: number;
  /** A fault that excuses it was upon its instance or its way at some time meanwhile. */
  readonly excused: boolean;
  readonly storeWasDown: boolean;
}

/** (c) Stops are answered within the bound; (d) signalling is answered while the store is down. */
export function lateAnswers(answers: readonly TimedAnswer[], boundMs: number): string[] {
  return answers
    .filter(({ excused }) => !excused)
    .flatMap(({ what, call, tookMs, status, storeWasDown }) => {
      if (what === 'stop' && tookMs > boundMs)
        return [`a stop of call ${call} was answered after ${Math.round(tookMs)} ms, the bound is ${boundMs}`];
      if (what === 'keepAlive' && storeWasDown && status !== 200 && status !== 404)
        return [`a keepAlive of call ${call} was answered with ${status} while the store was down`];
      return [];
    });
}
