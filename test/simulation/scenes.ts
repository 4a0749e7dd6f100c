import type { GateTimes } from '../../src/gate/context.ts';
import { forbidden, refusals, type Act, type Planned, type Refused } from './acts.ts';
import type { Chance } from './chance.ts';

/** Where a scene is played: in a call of its own, where no bot is in its way. */
export interface Stage {
  readonly call: number;
  readonly times: GateTimes;
  readonly commandTimeoutMs: number;
  /** From when on something can be recorded. */
  readonly opensAt: number;
  /** When what befalls the others ends. */
  readonly endsAt: number;
}

/** What chance alone puts together too rarely. */
type Scene = (chance: Chance, stage: Stage) => Planned[];

/** When a scene begins that takes so many TTLs. */
const beginning = (chance: Chance, { times, opensAt, endsAt }: Stage, ttls: number): number =>
  opensAt + chance.between(0, Math.max(0, endsAt - opensAt - ttls * times.ttlMs));

/** Three different slots, or two of them. */
const places = (chance: Chance): readonly [number, number, number] =>
  chance.pick([
    [0, 1, 2],
    [1, 2, 0],
    [2, 0, 1],
  ] as const);

/** Writes: a long one, or one of two chunks. */
const upload = (
  { call, times: { ttlMs } }: Stage,
  at: number,
  slot: number,
  length: 'long' | 'short',
): Planned => ({
  at,
  act: { kind: 'upload', call, slot, chunks: length === 'long' ? 200 : 2, everyMs: ttlMs / 20 },
});

/** A bot that asks once more soon, whatever it was told: what comes then needs a recording. */
const recording = ({ call, times }: Stage, at: number, slot: number): Planned[] =>
  [at, at + 0.4 * times.ttlMs].map((from) => ({ at: from, act: { kind: 'start', call, slot, again: 2 } }));

/** Clients that go on as if nothing were, every so many ms. */
const goingOn = (
  stage: Stage,
  from: number,
  everyMs: number,
  count: number,
  at: readonly number[],
): Planned[] =>
  Array.from({ length: count }, (_, n) =>
    upload(stage, from + (n + 1) * everyMs, at[n % at.length]!, 'short'),
  );

/** A recording that is stopped while the instance that takes its media is away. */
const awayAtStop: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 4);
  const [here, there, elsewhere] = places(chance);
  const away = at + chance.between(0.2, 0.7) * ttlMs;
  const kind = chance.pick(['pause', 'pauseAtReply', 'pauseAtReply', 'cutOff', 'crash'] as const);
  return [
    { at, act: { kind: 'start', call, slot: there, again: 2 } },
    upload(stage, at + 0.1 * ttlMs, here, 'long'),
    { at: away, act: { kind, slot: here, ms: chance.between(1, 4.5) * ttlMs } },
    {
      at: away + chance.between(0, 1) * ttlMs,
      act: { kind: 'notRecording', call, slot: chance.pick([there, elsewhere]), again: 3 },
    },
  ];
};

/** A recording that is stopped while something is wrong that is no outage, and clients that go on as if nothing were. */
const hardStop: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 6);
  const [here, there] = places(chance);
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
  return [
    ...recording(stage, at, there),
    upload(stage, at + 0.6 * ttlMs, here, 'long'),
    upload(stage, at + 0.7 * ttlMs, there, 'long'),
    { at: wrongAt, act: wrong },
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: chance.below(3) } },
    ...goingOn(stage, stopAt, 0.2 * ttlMs, 16, [there, here]),
  ];
};

/** A grant whose reply is on its way while the recording is stopped, at an instance that no announcement reaches. */
const lateGrant: Scene = (chance, stage) => {
  const { call, times, commandTimeoutMs } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 3);
  const [here, there] = places(chance);
  const askedAt = at + chance.between(0.5, 1) * ttlMs;
  const stopAt = askedAt + chance.between(5, 0.4 * commandTimeoutMs);
  return [
    ...recording(stage, at, there),
    { at: askedAt - 1, act: { kind: 'deaf', slot: here, ms: 2 * ttlMs } },
    {
      at: askedAt - 1,
      act: { kind: 'lateGrant', slot: here, ms: chance.between(0.6, 0.95) * commandTimeoutMs },
    },
    upload(stage, askedAt, here, 'long'),
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: 2 } },
    ...goingOn(stage, stopAt, 0.2 * ttlMs, 6, [here]),
  ];
};

/** A recording that goes on while the store takes nothing that opens. */
const standing: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 5);
  const [here, there] = places(chance);
  const wrongAt = at + chance.between(0.8, 1.5) * ttlMs;
  const ms = chance.between(1.7, 3.5) * ttlMs;
  const wrong: Act = chance.happens(0.8)
    ? { kind: 'storeFull', ms }
    : { kind: 'storeRefuses', what: refused(chance), ms };
  return [
    ...recording(stage, at, there),
    upload(stage, wrongAt - 0.2 * ttlMs, here, 'long'),
    upload(stage, wrongAt - 0.1 * ttlMs, there, 'long'),
    { at: wrongAt, act: wrong },
    ...goingOn(stage, wrongAt, 0.25 * ttlMs, 14, [there, here]),
    { at: wrongAt + 4 * ttlMs, act: { kind: 'notRecording', call, slot: there, again: 3 } },
  ];
};

/** A Redis that forgets that a recording was stopped, and an instance that nobody has told of it. */
const forgottenStop: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 5);
  const [here, there, elsewhere] = places(chance);
  const stopAt = at + chance.between(0.8, 1.6) * ttlMs;
  const passed = chance.between(40, 250);
  const forgotten = stopAt + passed;
  return [
    ...recording(stage, at, there),
    ...(chance.happens(0.5) ? [upload(stage, stopAt - 0.4 * ttlMs, here, 'short')] : []),
    { at: stopAt - 1, act: { kind: 'deaf', slot: elsewhere, ms: 4 * ttlMs } },
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: 3 } },
    replacedAt(chance, stage, forgotten, passed + chance.between(-5, 20)),
    ...goingOn(stage, forgotten, 0.3 * ttlMs, 8, [elsewhere, elsewhere, here]),
  ];
};

/** A Redis that forgets that an instance became a holder; it may be cut off, and learn nothing of that or of the stop. */
const forgottenHolder: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 5);
  const [here, there, elsewhere] = places(chance);
  const uploadAt = at + chance.between(0.5, 1) * ttlMs;
  const passed = chance.between(20, 100);
  const forgotten = uploadAt + passed;
  const stopAt = forgotten + chance.pick([chance.between(0.1, 0.6), chance.between(1, 3)]) * ttlMs;
  return [
    ...recording(stage, at, there),
    upload(stage, uploadAt, here, 'long'),
    ...(chance.happens(0.5)
      ? [
          {
            at: forgotten - 5,
            act: { kind: 'cutOff', slot: here, ms: chance.between(1, 2) * ttlMs },
          } as const,
        ]
      : []),
    replacedAt(chance, stage, forgotten, passed + chance.between(-5, 30)),
    { at: stopAt - 1, act: { kind: 'deaf', slot: here, ms: 4 * ttlMs } },
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: 3 } },
    ...goingOn(stage, forgotten, 0.3 * ttlMs, 10, [here, here, elsewhere]),
  ];
};

/** A recording that goes on while Redis forgets its last moments, and bots that ask before all that was forgotten is over. */
const outlived: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs, graphTimeoutMs } = times;
  const at = beginning(chance, stage, 5);
  const [here, there, elsewhere] = places(chance);
  const forgotten = at + chance.between(0.8, 2) * ttlMs;
  const askedAt = forgotten + chance.between(1.2, 2.6) * graphTimeoutMs;
  return [
    ...recording(stage, at, there),
    upload(stage, forgotten - 0.3 * ttlMs, here, 'long'),
    upload(stage, forgotten - 0.2 * ttlMs, there, 'long'),
    replacedAt(chance, stage, forgotten, chance.between(10, 150)),
    ...goingOn(stage, forgotten, 0.25 * ttlMs, 12, [elsewhere, here, there]),
    { at: askedAt, act: { kind: 'start', call, slot: elsewhere, again: 1 } },
    { at: forgotten + 3 * ttlMs, act: { kind: 'notRecording', call, slot: there, again: 3 } },
  ];
};

/** A Redis that loses everything, and whose clock then shows a time before the recording that was stopped. */
const setBack: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 5);
  const [here, there, elsewhere] = places(chance);
  const stopAt = at + chance.between(0.8, 1.5) * ttlMs;
  const lostAt = stopAt + chance.between(0.5, 2) * ttlMs;
  return [
    ...recording(stage, at, there),
    upload(stage, stopAt - 0.3 * ttlMs, here, 'long'),
    upload(stage, stopAt - 0.2 * ttlMs, elsewhere, 'long'),
    { at: stopAt, act: { kind: 'notRecording', call, slot: there, again: 3 } },
    { at: lostAt, act: { kind: 'storeLost', ms: 5 } },
    { at: lostAt + 1, act: { kind: 'step', byMs: -chance.pick([60_000, 3_600_000]) } },
  ];
};

/** A hold on everything, while something is wrong, and clients and bots that go on as if nothing were. */
const onHold: Scene = (chance, stage) => {
  const { call, times } = stage;
  const { ttlMs } = times;
  const at = beginning(chance, stage, 8);
  const [here, there, elsewhere] = places(chance);
  const heldAt = at + chance.between(0.8, 1.5) * ttlMs;
  const ms = chance.between(0.5, 3) * ttlMs;
  const wrong: Act = chance.pick<() => Act>([
    () => ({ kind: 'cutOff', slot: here, ms }),
    () => ({ kind: 'deaf', slot: here, ms }),
    () => ({ kind: 'pauseAtReply', slot: here, ms }),
    () => ({ kind: 'crash', slot: there, ms }),
    () => ({ kind: 'lateGrant', slot: here, ms: 0.8 * ms }),
    () => ({ kind: 'storeFull', ms }),
    () => ({ kind: 'storeRefuses', what: refused(chance), ms }),
    () => ({ kind: 'storeLost', ms: 5 }),
    () => ({ kind: 'diskFull', ms }),
  ])();
  const after = chance.pick([0.2, 1, 2, 4]) * ttlMs;
  return [
    ...recording(stage, at, there),
    upload(stage, at + 0.6 * ttlMs, here, 'long'),
    upload(stage, at + 0.7 * ttlMs, there, 'long'),
    { at: heldAt + chance.between(-0.5, 2) * ttlMs, act: wrong },
    { at: heldAt, act: { kind: 'hold', slot: there, on: chance.pick(['all', 'tenant', 'app']), ms: after } },
    { at: heldAt + chance.between(0, 2) * ttlMs, act: { kind: 'start', call, slot: elsewhere, again: 3 } },
    ...goingOn(stage, heldAt, 0.2 * ttlMs, 30, [here, elsewhere, there]),
  ];
};

/** Another server comes up without what was written in the last moments of the first; every second one has another clock. */
function replacedAt(chance: Chance, { times }: Stage, at: number, lastMs: number): Planned {
  const ms = chance.pick([5, 5, 50]);
  const lostMs = ms + Math.max(0, Math.round(lastMs));
  const skewMs = chance.happens(0.5) ? stepMs(chance, times.ttlMs) : 0;
  return { at, act: { kind: 'storeReplaced', ms, lostMs, skewMs } };
}

const ofMemory = [
  ...[awayAtStop, awayAtStop, awayAtStop, hardStop, hardStop, lateGrant, lateGrant, standing],
  ...[onHold, onHold],
];
const ofRedis = [
  ...[awayAtStop, hardStop, hardStop, lateGrant, standing, standing, standing],
  ...[forgottenStop, forgottenStop, forgottenHolder, forgottenHolder, outlived, outlived, setBack],
  ...[onHold, onHold],
];

export const scene = (chance: Chance, stage: Stage, store: 'memory' | 'redis'): Planned[] =>
  chance.pick(store === 'redis' ? ofRedis : ofMemory)(chance, stage);

/** How far somebody sets a clock, ms: a little, or by what a wrong setting or a dead battery makes of it. */
export const stepMs = (chance: Chance, ttlMs: number): number =>
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

export const refused = (chance: Chance): Refused =>
  chance.pick([...(Object.keys(refusals) as Refused[]), 'XADD', ...forbidden]);
