import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sleep } from '../../../src/gate/context.ts';
import { runs } from '../../support/depth.ts';
import { bot, inWorld, theCall, unavailable, type Disturbance, type World } from '../../support/gate.ts';
import { completed, lost, pending, refused, type Script } from '../../support/gate-graph.ts';

const ttlMs = 300;
const drainMs = 80;
const graphTimeoutMs = 150;

/** What a store can show from some command on, counted from when the stop was heard. */
const storeFaults = {
  none: () => ({}),
  refusesOnce: (_: World, n: number) => (n === 0 ? { before: unavailable } : {}),
  losesTheReplyOnce: (_: World, n: number) => (n === 0 ? { after: unavailable } : {}),
  refuses: () => ({ before: unavailable }),
  losesReplies: () => ({ after: unavailable }),
  isSlow: ({ clock }: World) => ({ before: () => sleep(clock, ttlMs / 2) }),
  answersTooLate: ({ clock }: World) => ({ after: () => sleep(clock, 2 * ttlMs).then(unavailable) }),
} satisfies Record<string, (world: World, n: number) => Disturbance>;

/** Which commands it befalls. */
const scopes = {
  everything: () => true,
  whatWrites: (name: string) => name !== 'read' && name !== 'onWake',
  /** Sessions live on and holders are let in: uploads would go on for ever. */
  whatStops: (name: string) => !['heartbeat', 'join', 'acquire', 'onWake', 'onStop'].includes(name),
  changes: (name: string) => name === 'commit',
  reads: (name: string) => name === 'read',
} satisfies Record<string, (name: string) => boolean>;

const graphFaults: Record<string, Script> = {
  answers: completed(),
  isLost: lost(null),
  actsLate: lost(graphTimeoutMs),
  refusesTheCredential: refused(401),
  fails: { ...refused(500), answer: { status: 500, body: undefined } },
  isPending: pending('slow'),
  isHeldUp: { ...completed(), pauseMs: 2 * graphTimeoutMs },
};

const keysOf = <Key extends string>(table: Readonly<Record<Key, unknown>>) =>
  fc.constantFrom(...(Object.keys(table) as Key[]));

const stories = fc.record({
  cause: fc.constantFrom('notRecording' as const, 'failed' as const, 'hangUp' as const),
  fault: keysOf(storeFaults),
  scope: keysOf(scopes),
  everywhere: fc.boolean(),
  from: fc.nat(12),
  graph: keysOf(graphFaults),
  /** By how much the store's clock is set, ms, and at which command. */
  step: fc.constantFrom(0, -3_600_000, -1000, 5000, 3 * 86_400_000),
  stepAt: fc.nat(12),
  /** Whether the instance that hears it holds the call, has an acquire under way, or neither. */
  holds: fc.constantFrom('grant' as const, 'acquire' as const, 'nothing' as const),
  wakesArrive: fc.boolean(),
});

test('whatever befalls a stop, the instance that heard it admits nothing until a later recording is confirmed', async () => {
  const tries = runs(120);
  let refusedStops = 0;
  await fc.assert(
    fc.asyncProperty(stories, (story) =>
      inWorld({ ttlMs, drainMs, graphTimeoutMs }, async (world) => {
        const { cause, fault, scope, everywhere, from, graph, step, stepAt, holds } = story;
        await world.recording(1);
        const write = holds === 'grant' ? await world.admitted(0) : undefined;
        await world.admitted(1);
        const held = holds === 'acquire' ? world.hold('acquire', 'after', { instance: 0 }) : undefined;
        const acquiring = holds === 'acquire' ? world.write(0) : undefined;
        await world.clock.settle();

        world.wakesArrive = story.wakesArrive;
        let commands = 0;
        world.weather = ({ instance, name }) => {
          if (!everywhere && instance !== 0) return {};
          const n = commands++;
          if (n === stepAt) world.storeSkewMs += step;
          return n >= from && scopes[scope](name) ? storeFaults[fault](world, n - from) : {};
        };
        world.graph.otherwise = (asked) => (asked === 'recording' ? completed() : graphFaults[graph]!);
        const heardAt = world.clock.now();
        const stop = world.stop(0, cause);

        const closed = async (): Promise<void> => {
          // The write that asks the store may be held up; nothing may come of it.
          const asked = await Promise.race([world.write(0), sleep(world.clock, ttlMs)]);
          expect(asked?.ok ?? false).toBe(false);
          if (world.clock.now() >= heardAt + drainMs) expect(write?.isLive ?? false).toBe(false);
        };
        expect(world.instances[0]!.gate.admitNow(theCall, bot)?.ok ?? false).toBe(false);
        held?.release();
        for (const ms of [0, drainMs, ttlMs, 5 * ttlMs, 20 * ttlMs]) {
          await world.clock.advance(ms);
          await world.run(closed());
        }
        if (acquiring !== undefined) expect((await world.run(acquiring)).ok).toBe(false);
        const stopped = await world.run(stop);
        if (!stopped.ok) refusedStops += 1;

        // Everything answers again: what was asked for is done, without being asked for again.
        world.calm();
        world.graph.otherwise = () => completed();
        world.graph.complete('slow');
        await world.clock.advance(15_000);
        expect(world.live()).toEqual([]);
        expect(['idle', 'unconfirmed', 'ended']).toContain(await world.state());
        await world.run(closed());
        if ((await world.state()) === 'ended') return;
        // And a later recording opens again.
        for (let asked = 0; asked < 20 && (await world.state()) !== 'recording'; asked++) {
          await world.run(world.start(1));
          await world.clock.advance(graphTimeoutMs);
        }
        await world.admitted(0);
        await world.admitted(1);
      }),
    ),
    tries,
  );
  // The stories are worth telling.
  expect(refusedStops).toBeGreaterThan(tries.numRuns / 6);
});
