import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { graphCallStates } from '../../../src/core/call/graph-state.ts';
import type { CallKey } from '../../../src/core/call/key.ts';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { sleep } from '../../../src/gate/context.ts';
import { runs } from '../../support/depth.ts';
import { type Asked, completed, lost, pending, refused, type Script } from '../../support/gate-graph.ts';
import { bot, type Disturbance, inWorld, stranger, unavailable, type World } from '../../support/gate.ts';
import { callIs, callNo, delta, operationEnded, participant, roster, tell } from '../../support/notices.ts';

const times = { ttlMs: 300, drainMs: 80, graphTimeoutMs: 150, witnessGraceMs: 100 };
const calls = [callNo(1), callNo(2), callNo(3)];
/** The operations that Graph may name; every one of them can be told to have ended, none has. */
const operations = ['op', 'never-1', 'never-2'];

const anyCall = fc.constantFrom(...calls);
const entries = fc.array(
  fc
    .record({
      status: fc.constantFrom('recording' as const, 'other' as const, null),
      sequence: fc.option(fc.nat(20)),
      removed: fc.boolean(),
      application: fc.constantFrom(null, bot.app, stranger.app),
    })
    .chain((facts) => fc.constantFrom('a', 'b', 'c').map((name) => participant(name, facts))),
  { maxLength: 4 },
);

/** Notifications of every kind; those that end a call are rarer, so that there are calls left to tell of. */
const notices: fc.Arbitrary<Notice> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        anyCall,
        fc.constantFrom(...graphCallStates.filter((state) => state !== 'terminated'), null),
        fc.constantFrom('created' as const, 'updated' as const),
      )
      .map(([call, state, changeType]) => callIs(state, { call, changeType })),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyCall, fc.constantFrom(...operations), fc.constantFrom('updateRecordingStatus', 'unknown'))
      .map(([call, operation, type]) => operationEnded(operation, { call, type })),
  },
  { weight: 3, arbitrary: fc.tuple(anyCall, entries).map(([call, some]) => roster(some, call)) },
  { weight: 3, arbitrary: fc.tuple(anyCall, entries).map(([call, some]) => delta(some, call)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyCall, fc.boolean())
      .map(([call, deleted]) =>
        deleted ? callIs(null, { call, changeType: 'deleted' }) : callIs('terminated', { call }),
      ),
  },
);

type Step =
  | { readonly do: 'tell'; readonly notices: Notice[]; readonly ours: boolean }
  | { readonly do: 'start' | 'stop' | 'write'; readonly call: CallKey }
  | { readonly do: 'end' }
  | { readonly do: 'pass'; readonly ms: number };

const steps = (told: fc.Arbitrary<Notice>): fc.Arbitrary<(readonly [number, Step])[]> =>
  fc.array(
    fc.tuple(
      fc.nat(1),
      fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({
            do: fc.constant('tell' as const),
            notices: fc.array(told, { minLength: 1, maxLength: 4 }),
            ours: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
          }),
        },
        { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const), call: anyCall }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), call: anyCall }) },
        { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), call: anyCall }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const) }) },
        { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(200) }) },
      ),
    ),
    { minLength: 5, maxLength: 50 },
  );

async function act(world: World, index: number, step: Step): Promise<void> {
  switch (step.do) {
    case 'tell':
      await tell(world, index, step.notices, step.ours ? bot : stranger);
      break;
    case 'start':
      void world.start(index, { call: step.call });
      break;
    case 'stop':
      void world.stop(index, 'notRecording', { call: step.call });
      break;
    case 'write':
      void world.write(index, bot, step.call);
      break;
    case 'end':
      world.writes.find(({ isLive }) => isLive)?.end();
      break;
    case 'pass':
      await world.clock.advance(step.ms);
      break;
  }
  await world.clock.settle();
  world.observe();
  expect(world.violations).toEqual([]);
}

/** Choices that come one after the other, over and over. */
const taking = <T>(all: readonly T[]): (() => T) => {
  let next = 0;
  return () => all[next++ % all.length]!;
};

describe('whatever is told', () => {
  const opening: ((asked: Asked) => Script)[] = [
    () => completed(),
    () => ({ ...completed(), answerAfterMs: 120 }),
    () => lost(0),
    () => refused(403),
    () => pending('never-1'),
  ];
  const weathers: (() => Promise<void>)[] = [unavailable];

  test('both laws hold, and a call that is told to be over ends', async () => {
    const tries = runs(60);
    let admitted = 0;
    await fc.assert(
      fc.asyncProperty(
        steps(notices),
        fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4), { minLength: 1, maxLength: 20 }),
        fc.array(fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 20, 60, -1), {
          minLength: 1,
          maxLength: 40,
        }),
        (story, answers, delays) =>
          inWorld(times, async (world) => {
            for (const call of calls) await tell(world, 0, callIs('incoming', { call }));
            await world.run(Promise.all(calls.slice(1).map((call) => world.start(0, { call }))));
            const answer = taking(answers);
            const delay = taking(delays);
            world.graph.otherwise = (asked) => opening[answer()]!(asked);
            const way = (): (() => Promise<void>) | undefined => {
              const ms = delay();
              return ms === 0 ? undefined : ms < 0 ? weathers[0]! : () => sleep(world.clock, ms);
            };
            world.weather = (): Disturbance => {
              const [before, after] = [way(), way()];
              return { ...(before && { before }), ...(after && { after }) };
            };
            for (const [index, step] of story) await act(world, index, step);
            admitted += world.writes.length;

            world.calm();
            world.graph.otherwise = () => completed();
            for (const call of calls) await tell(world, 1, callIs('terminated', { call }));
            await world.clock.advance(15_000);
            for (const call of calls) expect(await world.state(call)).toBe('ended');
            expect(world.writes.filter(({ isLive }) => isLive)).toEqual([]);
            expect(world.ends.length).toBeLessThanOrEqual(calls.length);
          }),
      ),
      tries,
    );
    // The stories are worth telling: gates do open in them.
    expect(admitted).toBeGreaterThan(tries.numRuns / 3);
  });

  test('no gate opens that Graph has not confirmed', () =>
    fc.assert(
      fc.asyncProperty(
        steps(notices),
        fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 10 }),
        (story, answers) =>
          inWorld(times, async (world) => {
            const answer = taking(answers);
            world.graph.otherwise = (asked) =>
              asked === 'recording' ? opening[answer()]!(asked) : completed();
            for (const [index, step] of story) await act(world, index, step);
            await world.clock.advance(15_000);
            expect(world.writes).toEqual([]);
            for (const { to } of await world.records()) expect(to).not.toBe('recording');
          }),
      ),
      runs(50),
    ));
});
