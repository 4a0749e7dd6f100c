import type { GateTimes } from '../../src/gate/context.ts';
import { slots, type Act, type Planned } from './acts.ts';
import { Chance } from './chance.ts';
import { refused, scene, stepMs } from './scenes.ts';

/** The probability of each kind of fault on each of its occasions. */
export interface Odds {
  readonly storeSlow: number;
  readonly storeLost: number;
  readonly storeTwice: number;
  readonly wakeLost: number;
  readonly crash: number;
  readonly pause: number;
  readonly graphHeldUp: number;
  readonly graphLate: number;
  readonly graphReply: number;
  readonly graphAnswer: number;
  readonly notice: number;
  readonly sink: number;
  readonly disk: number;
}

/**
 * What a Redis keeps over a restart: `always` everything, and the instances know; `unknown` the same or less, and they
 * cannot know; `mostly` all but the last moments; `replica` what a replica has, which takes the place of its primary.
 */
export type RedisKind = 'always' | 'unknown' | 'mostly' | 'replica';

export type StoreKind = 'memory' | 'redis';

export interface Setting {
  /** undefined: the store in memory. */
  readonly redis: RedisKind | undefined;
  /** The longest of all instances, which is also what their operator allows. */
  readonly times: GateTimes;
  /** Those of each slot. */
  readonly timesOf: readonly GateTimes[];
  /** Whether the store has long had its data when the run begins. */
  readonly isOld: boolean;
  readonly commandTimeoutMs: number;
  /** How long one writer of evidence leads. */
  readonly leaseMs: number;
  /** For how many calls an instance takes media at a time. */
  readonly maxGrants: number;
  /** How fast each slot's clock runs. */
  readonly rates: readonly number[];
  readonly calls: number;
  /** Whether all instances see each other's lock on the evidence directory. */
  readonly oneHost: boolean;
  readonly odds: Odds;
  readonly plan: readonly Planned[];
  /** When faults end. */
  readonly endsAt: number;
  /** Whether the two laws and the end are judged alone, and no rule that serves them. */
  readonly onlyLaws: boolean;
  /** Until when one of the two tenants is observed, in simulated time; undefined: the laws are enforced. */
  readonly observesUntil?: number;
}

interface Timing {
  readonly times: GateTimes;
  readonly commandTimeoutMs: number;
}

/** Short ones most of the time, since waiting is the same again and again; and those of the default settings. */
const timings: readonly Timing[] = [
  { times: { ttlMs: 600, drainMs: 200, graphTimeoutMs: 500, witnessGraceMs: 1000 }, commandTimeoutMs: 200 },
  { times: { ttlMs: 600, drainMs: 100, graphTimeoutMs: 300, witnessGraceMs: 1000 }, commandTimeoutMs: 200 },
  {
    times: { ttlMs: 1000, drainMs: 300, graphTimeoutMs: 400, witnessGraceMs: 1000, silenceMs: 4000 },
    commandTimeoutMs: 300,
  },
  { times: { ttlMs: 900, drainMs: 0, graphTimeoutMs: 500, witnessGraceMs: 1000 }, commandTimeoutMs: 1000 },
  { times: { ttlMs: 1200, drainMs: 100, graphTimeoutMs: 300, witnessGraceMs: 1000 }, commandTimeoutMs: 300 },
  {
    times: { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000, witnessGraceMs: 5000 },
    commandTimeoutMs: 1000,
  },
  {
    times: { ttlMs: 5000, drainMs: 5000, graphTimeoutMs: 10_000, witnessGraceMs: 30_000 },
    commandTimeoutMs: 1000,
  },
];

const usualOdds: Odds = {
  storeSlow: 0.04,
  storeLost: 0.006,
  storeTwice: 0.015,
  wakeLost: 0.15,
  crash: 0.0005,
  pause: 0.001,
  graphHeldUp: 0.05,
  graphLate: 0.08,
  graphReply: 0.06,
  graphAnswer: 0.08,
  notice: 0.2,
  sink: 0.05,
  disk: 0.02,
};

/** What a seed holds: how long things take, which kinds of faults there are, and what everybody does when. */
export function settingOf(
  seed: number,
  store: StoreKind = seed % 2 === 0 ? 'redis' : 'memory',
  onlyLaws = false,
  observes = false,
): Setting {
  const chance = new Chance(seed, 'setting');
  const { times, commandTimeoutMs } = chance.pick(chance.happens(0.8) ? timings.slice(0, 5) : timings);
  // Each run has some kinds of faults and not others: together they would hide each other (swarm testing).
  const swarm = (odds: number): number => odds * chance.pick([0, 0, 0.5, 1, 3]);
  const odds = Object.fromEntries(
    Object.entries<number>({ ...usualOdds }).map(([kind, usual]) => [kind, swarm(usual)]),
  );
  const unit = times.ttlMs;
  const endsAt = chance.between(5, 12) * unit;
  const calls = 1 + chance.below(3);
  const bots = Array.from({ length: calls }, (_, call) => botPlan(chance, call, times, endsAt)).flat();
  const isOld = new Chance(seed, 'age').happens(0.7);
  const opensAt = isOld ? 0 : 1.2 * Math.max(times.ttlMs, 3 * times.graphTimeoutMs);
  const stage = { call: calls, times, commandTimeoutMs, opensAt, endsAt };
  bots.push(...scene(new Chance(seed, 'scene'), stage, store));
  const faults = faultPlan(chance, bots, calls, times, endsAt);
  const redis = store === 'redis' ? redisOf(seed) : undefined;
  return {
    redis,
    times,
    timesOf: timesOf(seed, times),
    isOld,
    commandTimeoutMs,
    leaseMs: Math.min(10_000, 2 * unit),
    maxGrants: new Chance(seed, 'grants').pick([1, 2, Infinity, Infinity]),
    rates: Array.from({ length: slots }, () => chance.pick([0.9, 1, 1, 1.1])),
    calls: calls + 1,
    oneHost: chance.happens(0.5),
    odds: odds as unknown as Odds,
    plan: [...bots, ...(redis === undefined ? faults : replaced(seed, faults, times))].sort(
      (one, other) => one.at - other.at,
    ),
    endsAt: Math.max(endsAt, ...bots.map(({ at }) => at)),
    onlyLaws,
    ...(observes ? { observesUntil: new Chance(seed, 'observation').between(0.3, 1.2) * endsAt } : {}),
  };
}

const redisOf = (seed: number): RedisKind =>
  new Chance(seed, 'redis').pick(['always', 'always', 'unknown', 'mostly', 'mostly', 'replica']);

/** Of a Redis that goes down it is mostly another process that comes back. */
function replaced(seed: number, faults: readonly Planned[], { ttlMs }: GateTimes): Planned[] {
  const chance = new Chance(seed, 'replaced');
  return faults.map(({ at, act }): Planned => {
    const isReplaced = chance.happens(0.7);
    const lostMs = Math.round(chance.pick([0, 10, 100, 1000]) * chance.between(0, 1));
    if (!isReplaced || (act.kind !== 'storeDown' && act.kind !== 'storeLost')) return { at, act };
    // Half of the losses of everything become losses of the last moments.
    if (act.kind === 'storeLost' && chance.happens(0.5)) return { at, act };
    // Every server has a clock of its own.
    const skewMs = chance.happens(0.4) ? stepMs(chance, ttlMs) : 0;
    return { at, act: { kind: 'storeReplaced', ms: act.ms, lostMs, skewMs } };
  });
}

/** A bot records again and again; what it does is not always sensible. */
function botPlan(chance: Chance, call: number, times: GateTimes, endsAt: number): Planned[] {
  const plan: Planned[] = [];
  const slot = (): number => chance.below(slots);
  const soon = (): number =>
    chance.pick([0, 2, 20, 200, times.ttlMs / 2, times.ttlMs]) * chance.between(0.5, 1.5);
  const long = (): number => chance.pick([0.3, 1, 2]) * chance.between(0.5, 1.5) * times.ttlMs;
  const upload = (at: number): void => {
    const everyMs = chance.pick([10, 50, 200]);
    const chunks = 1 + Math.floor(chance.pick([0, 300, times.ttlMs, 4 * times.ttlMs]) / everyMs);
    plan.push({ at, act: { kind: 'upload', call, slot: slot(), chunks, everyMs } });
  };
  const control = (at: number, kind: 'start' | 'notRecording' | 'failed' | 'hangUp'): void => {
    plan.push({ at, act: { kind, call, slot: slot(), again: chance.below(3) } });
  };
  for (let at = soon(); at < endsAt; at += soon()) {
    control(at, 'start');
    const length = long();
    for (let uploads = chance.below(4); uploads > 0; uploads--) upload(at + chance.between(0, length));
    if (chance.happens(0.2)) control(at + chance.between(0, length), 'start');
    at += length;
    // Much goes wrong in the last moment before a stop, and in the first one after it.
    if (chance.happens(0.5)) upload(at - chance.between(0, 30));
    if (chance.happens(0.1)) control(at - chance.between(0, 30), 'start');
    control(at, chance.pick(['notRecording', 'notRecording', 'notRecording', 'failed', 'hangUp']));
    if (chance.happens(0.2)) control(at + soon(), chance.pick(['notRecording', 'start', 'hangUp']));
    if (chance.happens(0.3)) upload(at + soon());
  }
  if (chance.happens(0.15)) plan.push({ at: chance.between(0, endsAt), act: { kind: 'terminate', call } });
  return plan;
}

/** Most are alike; where they are not, the operator has said how long they may be. */
function timesOf(seed: number, times: GateTimes): GateTimes[] {
  const chance = new Chance(seed, 'times');
  const areAlike = chance.happens(0.6);
  return Array.from({ length: slots }, () => ({
    ...times,
    ttlMs: areAlike ? times.ttlMs : Math.round(times.ttlMs * chance.pick([0.6, 0.8, 1])),
    graphTimeoutMs: areAlike
      ? times.graphTimeoutMs
      : Math.round(times.graphTimeoutMs * chance.pick([0.6, 1])),
    ttlMaxMs: times.ttlMs,
    graphTimeoutMaxMs: times.graphTimeoutMs,
  }));
}

/** Most faults befall the moments around what a bot does. */
function faultPlan(
  chance: Chance,
  bots: readonly Planned[],
  calls: number,
  times: GateTimes,
  endsAt: number,
): Planned[] {
  const { ttlMs } = times;
  const fault = (): Planned => {
    const near = chance.pick(bots);
    const close = chance.pick([-ttlMs / 2, -20, 0, 20, 200]) * chance.between(0, 1);
    const at = chance.happens(0.3) ? chance.between(0, endsAt) : Math.max(0, near.at + close);
    return { at, act: act('slot' in near.act ? near.act.slot : 0) };
  };
  const act = (nearSlot: number): Act => {
    const slot = (): number => (chance.happens(0.6) ? nearSlot : chance.below(slots));
    const long = chance.pick([0.2, 1, 3, 4]) * chance.between(0.5, 1.2) * ttlMs;
    const outages: readonly (() => Act)[] = [
      () => ({ kind: 'pause', slot: slot(), ms: long }),
      () => ({ kind: 'pauseAtReply', slot: slot(), ms: long }),
      () => ({ kind: 'crash', slot: slot(), ms: chance.pick([10, ttlMs, 3 * ttlMs]) }),
      () => ({ kind: 'shutDown', slot: slot(), ms: 50 }),
      () => ({ kind: 'cutOff', slot: slot(), ms: long }),
      () => ({ kind: 'cutOff', slot: slot(), ms: long }),
      () => ({ kind: 'storeDown', ms: chance.pick([5, 300, ttlMs, 2 * ttlMs]) }),
      () => ({ kind: 'storeLost', ms: chance.pick([5, 5, 300, ttlMs]) }),
      () => ({ kind: 'storeLost', ms: 5 }),
      () => ({ kind: 'diskFull', ms: long }),
    ];
    /** What is there, and wrong. */
    const wrongs: readonly (() => Act)[] = [
      () => ({ kind: 'step', byMs: stepMs(chance, ttlMs) }),
      () => ({ kind: 'step', byMs: stepMs(chance, ttlMs) }),
      () => ({ kind: 'storeFull', ms: long }),
      () => ({ kind: 'storeRefuses', what: refused(chance), ms: long }),
      () => ({ kind: 'graphDown', ms: long }),
      () => ({ kind: 'credentialRefused', ms: long }),
    ];
    return chance.pick(chance.happens(0.7) ? outages : wrongs)();
  };
  return Array.from({ length: chance.below(8) }, fault).flatMap((one): Planned[] => {
    if (one.act.kind !== 'storeLost' || chance.happens(0.3)) return [one];
    // Somebody asks before everybody knows.
    const at = one.at + one.act.ms + chance.between(0, ttlMs / 3);
    const kind = chance.pick(['notRecording', 'notRecording', 'start'] as const);
    const asked = { kind, call: chance.below(calls), slot: chance.below(slots), again: chance.below(3) };
    return [one, { at, act: asked }];
  });
}
