import type { GateTimes } from '../../src/gate/context.ts';
import { Chance } from './chance.ts';

/** What somebody does to the system, or what befalls it, at a moment of true time. Slots are the places of instances. */
export type Act =
  | {
      readonly kind: 'start' | 'notRecording' | 'failed' | 'hangUp';
      readonly call: number;
      readonly slot: number;
      /** How often the bot asks again after a refusal, when the refusal says so. */
      readonly again: number;
    }
  | {
      readonly kind: 'upload';
      readonly call: number;
      readonly slot: number;
      readonly chunks: number;
      readonly everyMs: number;
    }
  | { readonly kind: 'terminate'; readonly call: number }
  | { readonly kind: 'crash' | 'shutDown'; readonly slot: number; readonly ms: number }
  /** At once, or when the next reply to a heartbeat is there and not yet read. */
  | { readonly kind: 'pause' | 'pauseAtReply'; readonly slot: number; readonly ms: number }
  | Affliction;

/** What befalls the store, the disk and Graph. */
export type Affliction =
  | { readonly kind: 'cutOff'; readonly slot: number; readonly ms: number }
  | { readonly kind: 'storeDown' | 'storeLost' | 'storeFull' | 'diskFull'; readonly ms: number }
  /** Another server comes up on the data of the last one, or on what a replica has of it, without the last moments; its clock shows another time. */
  | { readonly kind: 'storeReplaced'; readonly ms: number; readonly lostMs: number; readonly skewMs: number }
  /** It takes nothing that writes, or one command is forbidden. */
  | { readonly kind: 'storeRefuses'; readonly what: Refused; readonly ms: number }
  /** Somebody sets the store's clock. */
  | { readonly kind: 'step'; readonly byMs: number }
  /** Nobody reaches Graph; or Graph, or whoever gives tokens for it, refuses our credential. */
  | { readonly kind: 'graphDown' | 'credentialRefused'; readonly ms: number };

/** Why a server refuses writes, or the one command that it forbids. */
export type Refused = keyof typeof refusals | (typeof forbidden)[number];

export const refusals = {
  READONLY: "READONLY You can't write against a read only replica.",
  NOREPLICAS: 'NOREPLICAS Not enough good replicas to write.',
  MISCONF: 'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.',
} as const;

/** Commands that scripts of the store use; an operator may forbid any of them by an ACL. */
export const forbidden = [
  'XADD',
  'HSET',
  'HINCRBY',
  'HDEL',
  'DEL',
  'ZADD',
  'ZREM',
  'PUBLISH',
  'SET',
] as const;

export interface Planned {
  readonly at: number;
  readonly act: Act;
}

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
}

const slots = 3;

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
export function settingOf(seed: number, store: StoreKind = seed % 2 === 0 ? 'redis' : 'memory'): Setting {
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
  // In a call of its own, where no bot is in its way.
  if (chance.happens(0.5)) bots.push(...scene(chance, calls, times, endsAt));
  else bots.push(...hardStop(chance, calls, times, endsAt));
  const faults = faultPlan(chance, bots, calls, times, endsAt);
  const redis = store === 'redis' ? redisOf(seed) : undefined;
  return {
    redis,
    times,
    timesOf: timesOf(seed, times),
    isOld: new Chance(seed, 'age').happens(0.7),
    commandTimeoutMs,
    leaseMs: Math.min(10_000, 2 * unit),
    maxGrants: new Chance(seed, 'grants').pick([1, 2, Infinity, Infinity]),
    rates: Array.from({ length: slots }, () => chance.pick([0.9, 1, 1, 1.1])),
    calls: calls + (redis === undefined ? 1 : 2),
    oneHost: chance.happens(0.5),
    odds: odds as unknown as Odds,
    plan: [
      ...bots,
      ...(redis === undefined
        ? faults
        : [...replaced(seed, faults, times), ...forgetting(seed, calls + 1, times, endsAt)]),
    ].sort((one, other) => one.at - other.at),
    endsAt,
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

/** A Redis that forgets what has just happened: that a session became a holder, or that the recording was stopped. */
function forgetting(seed: number, call: number, { ttlMs }: GateTimes, endsAt: number): Planned[] {
  const chance = new Chance(seed, 'forgetting');
  if (chance.happens(0.4)) return [];
  const at = chance.between(0, Math.max(0, endsAt - 6 * ttlMs));
  const [here, there] = chance.pick([
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const);
  const uploadAt = at + chance.between(0.1, 0.5) * ttlMs;
  const stopAt = uploadAt + chance.between(0.3, 1.5) * ttlMs;
  const passed = chance.between(20, 300);
  const forgotten = chance.pick([uploadAt, stopAt]) + passed;
  const lostMs = Math.round(passed + chance.between(-20, 60));
  const skewMs = chance.happens(0.5) ? stepMs(chance, ttlMs) : 0;
  const upload = (from: number, slot: number): Planned => ({
    at: from,
    act: { kind: 'upload', call, slot, chunks: 200, everyMs: ttlMs / 20 },
  });
  return [
    { at, act: { kind: 'start', call, slot: there, again: 2 } },
    upload(uploadAt, here),
    { at: forgotten, act: { kind: 'storeReplaced', ms: chance.pick([5, 50, ttlMs]), lostMs, skewMs } },
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: 3 } },
    ...[0.2, 0.5, 1, 2].map((later) => upload(forgotten + later * ttlMs, chance.below(slots))),
  ];
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

/** A recording that is stopped while the instance that takes its media is away: what chance alone puts together too rarely. */
function scene(chance: Chance, call: number, { ttlMs }: GateTimes, endsAt: number): Planned[] {
  const at = chance.between(0, Math.max(0, endsAt - 4 * ttlMs));
  const [here, there, elsewhere] = chance.pick([
    [0, 1, 2],
    [1, 2, 0],
    [2, 0, 1],
  ] as const);
  const away = at + chance.between(0.2, 0.7) * ttlMs;
  const kind = chance.pick(['pause', 'pauseAtReply', 'pauseAtReply', 'cutOff', 'crash'] as const);
  return [
    { at, act: { kind: 'start', call, slot: there, again: 2 } },
    { at: at + 0.1 * ttlMs, act: { kind: 'upload', call, slot: here, chunks: 200, everyMs: ttlMs / 20 } },
    { at: away, act: { kind, slot: here, ms: chance.between(1, 4.5) * ttlMs } },
    {
      at: away + chance.between(0, 1) * ttlMs,
      act: { kind: 'notRecording', call, slot: chance.pick([there, elsewhere]), again: 3 },
    },
  ];
}

/** How far somebody sets a clock, ms: a little, or by what a wrong setting or a dead battery makes of it. */
const stepMs = (chance: Chance, ttlMs: number): number =>
  Math.round(
    chance.pick([
      -3_600_000,
      -60_000,
      -2 * ttlMs,
      -0.5 * ttlMs,
      0.5 * ttlMs,
      2 * ttlMs,
      60_000,
      3_600_000,
      3 * 86_400_000,
    ]) * chance.between(0.5, 1),
  );

const refused = (chance: Chance): Refused =>
  chance.pick([...(Object.keys(refusals) as Refused[]), 'XADD', ...forbidden]);

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

/** A recording that is stopped while something is wrong that is no outage, and clients that go on as if nothing were. */
function hardStop(chance: Chance, call: number, { ttlMs }: GateTimes, endsAt: number): Planned[] {
  const at = chance.between(0, Math.max(0, endsAt - 6 * ttlMs));
  const [here, there] = chance.pick([
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const);
  const wrongAt = at + chance.between(0.8, 2.2) * ttlMs;
  const ms = chance.between(1, 3) * ttlMs;
  const wrong: Act = chance.pick<() => Act>([
    () => ({ kind: 'storeFull', ms }),
    () => ({ kind: 'storeFull', ms }),
    () => ({ kind: 'storeRefuses', what: refused(chance), ms }),
    () => ({ kind: 'storeRefuses', what: 'XADD', ms }),
    () => ({ kind: 'storeDown', ms }),
    () => ({ kind: 'cutOff', slot: there, ms }),
    () => ({ kind: 'step', byMs: stepMs(chance, ttlMs) }),
    () => ({ kind: 'graphDown', ms }),
    () => ({ kind: 'credentialRefused', ms }),
  ])();
  const stopAt = wrongAt + chance.between(-0.05, 0.6) * ttlMs;
  const upload = (from: number, slot: number, chunks: number): Planned => ({
    at: from,
    act: { kind: 'upload', call, slot, chunks, everyMs: ttlMs / 20 },
  });
  return [
    { at, act: { kind: 'start', call, slot: there, again: 3 } },
    upload(at + 0.6 * ttlMs, here, 200),
    upload(at + 0.7 * ttlMs, there, 200),
    { at: wrongAt, act: wrong },
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: chance.below(3) } },
    ...Array.from({ length: 16 }, (_, n) =>
      upload(stopAt + (n + 1) * 0.2 * ttlMs, n % 2 === 0 ? there : here, 2),
    ),
  ];
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
