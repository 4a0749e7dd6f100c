import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Decision } from '../../../src/core/decision.ts';
import { runs } from '../../support/depth.ts';
import { bot, inWorld, unavailable, type Disturbance, type World } from '../../support/gate.ts';
import { completed, lost, pending, refused, type Asked, type Script } from '../../support/gate-graph.ts';
import { sleep } from '../../../src/gate/context.ts';

const ttlMs = 300;
const drainMs = 80;
const graphTimeoutMs = 150;

type Chance = (below: number) => number;

/** Chances that depend on the seed alone (mulberry32). */
const chances = (seed: number): Chance => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

/** Store commands take their time, and some get lost on the way there or back. */
const weather = (world: World, chance: Chance) => (): Disturbance => {
  const ways: (() => Promise<void>)[] = [
    () => Promise.resolve(),
    () => Promise.resolve(),
    () => sleep(world.clock, chance(8)),
    () => sleep(world.clock, chance(8)),
    () => sleep(world.clock, chance(ttlMs)),
    unavailable,
  ];
  const way = (): (() => Promise<void>) => (chance(4) > 0 ? ways[0]! : ways[chance(ways.length)]!);
  return { before: way(), after: way() };
};

/** Graph may act on a request whose answer was lost until one timeout after the handler gave up on it. */
const script =
  (chance: Chance) =>
  (asked: Asked): Script => {
    const answers: (() => Script)[] = [
      () => completed(),
      () => ({ ...completed(), answerAfterMs: chance(graphTimeoutMs) }),
      () => ({ ...completed(), answerAfterMs: chance(10), pauseMs: chance(2 * graphTimeoutMs) }),
      () => lost(chance(2 * graphTimeoutMs)),
      () => ({ ...lost(chance(2 * graphTimeoutMs)), pauseMs: chance(2 * graphTimeoutMs) }),
      () => lost(null),
      () => refused(403),
      () => (asked === 'recording' ? pending('slow') : refused(409)),
    ];
    return answers[chance(3) === 0 ? chance(answers.length) : 0]!();
  };

const actions = ['start', 'stop', 'write', 'end', 'pass', 'crash', 'restart', 'wake', 'complete'] as const;
type Action = (typeof actions)[number];

const weights: Record<Action, number> = {
  start: 4,
  stop: 3,
  write: 10,
  end: 2,
  pass: 8,
  crash: 1,
  restart: 1,
  wake: 1,
  complete: 1,
};

const stories = fc.record({
  seed: fc.integer(),
  steps: fc.array(
    fc.record({
      action: fc.oneof(
        ...actions.map((action) => ({ arbitrary: fc.constant(action), weight: weights[action] })),
      ),
      instance: fc.nat(1),
      ms: fc.oneof(fc.nat(20), fc.nat(ttlMs)),
    }),
    { minLength: 5, maxLength: 60 },
  ),
});

class Teller {
  readonly world: World;
  /** The two instances that are up. */
  readonly #up = [0, 1];
  #restarts = 0;
  readonly #requests: Promise<unknown>[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async step(action: Action, which: number, ms: number): Promise<void> {
    const { world } = this;
    const index = this.#up[which]!;
    switch (action) {
      case 'start':
        this.#requests.push(world.start(index));
        break;
      case 'stop':
        this.#requests.push(world.stop(index, ms % 3 === 0 ? 'failed' : 'notRecording'));
        break;
      case 'write':
        this.#requests.push(world.write(index, bot));
        break;
      case 'end':
        world.live().at(0)?.end();
        break;
      case 'pass':
        await world.clock.advance(ms);
        break;
      case 'crash':
        world.crash(index);
        this.#up[which] = (await world.boot()).index;
        break;
      case 'restart':
        if (this.#restarts++ > 0) break;
        world.storeIsDown = true;
        await world.clock.advance(10);
        world.restartStore();
        world.storeIsDown = false;
        break;
      case 'wake':
        world.wakesArrive = !world.wakesArrive;
        break;
      case 'complete':
        world.graph.complete('slow');
        break;
    }
    await world.clock.settle();
    world.observe();
    expect(world.violations).toEqual([]);
  }

  /** Asks, and again when the refusal says: an instance waits by its own clock for what another left, from when it saw it. */
  async #asToldTo<T>(ask: () => Promise<Decision<T>>): Promise<Decision<T>> {
    for (let attempts = 1; ; attempts += 1) {
      const answer = await this.world.run(ask());
      if (answer.ok || attempts === 3) return answer;
      expect(answer.retryAfterMs).toBeGreaterThan(0);
      await this.world.clock.advance(answer.retryAfterMs ?? 0);
    }
  }

  /** Once everything answers again, a call can be stopped and recorded anew. */
  async end(): Promise<void> {
    const { world } = this;
    world.calm();
    world.graph.otherwise = () => completed();
    await world.clock.advance(10 * (ttlMs + drainMs + graphTimeoutMs));
    const stopped = await this.#asToldTo(() => world.stop(this.#up[0]!));
    expect(stopped).toMatchObject({ ok: true });
    expect(world.live()).toEqual([]);
    await world.clock.advance(4 * graphTimeoutMs);
    const started = await this.#asToldTo(() => world.start(this.#up[1]!));
    expect(started).toMatchObject({ ok: true, value: { open: true } });
    expect(await world.run(world.write(this.#up[0]!))).toMatchObject({ ok: true });
    await Promise.all(this.#requests.map((request) => Promise.race([request, Promise.resolve()])));
  }
}

describe('the two laws', () => {
  test('hold whatever is started, stopped, written, delayed, lost, crashed and restarted', async () => {
    const tries = runs(300);
    let writes = 0;
    await fc.assert(
      fc.asyncProperty(stories, ({ seed, steps }) =>
        inWorld({ ttlMs, drainMs, graphTimeoutMs }, async (world) => {
          const chance = chances(seed);
          await world.recording(chance(2));
          world.weather = weather(world, chance);
          world.graph.otherwise = script(chance);
          const teller = new Teller(world);
          for (const { action, instance, ms } of steps) await teller.step(action, instance, ms);
          writes += world.writes.length;
          await teller.end();
        }),
      ),
      tries,
    );
    // The stories are worth telling: gates do open in them.
    expect(writes).toBeGreaterThan(tries.numRuns);
  });
});
