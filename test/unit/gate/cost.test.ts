import { createHook } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { bot, inWorld, theCall } from '../../support/gate.ts';

const times = { ttlMs: 3000, drainMs: 1000, graphTimeoutMs: 2000 };
const rounds = 8;
const perRound = 500;
/** A write, its grant's note of it, and the decision that carries it. */
const mostBytes = 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('where a grant is held, an admission makes no promise, asks no store, and allocates little', () =>
  inWorld(times, async (world) => {
    await world.recording();
    const first = await world.admitted(0);
    const { gate } = world.instances[0]!;
    const admit = (): void => {
      const admitted = gate.admitNow(theCall, bot);
      if (admitted?.ok !== true) throw new Error('the write was not admitted at once');
      admitted.value.addBytes(640);
      admitted.value.end(true);
    };
    const commands = world.commands.length;
    let promises = 0;
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'PROMISE') promises += 1;
      },
    }).enable();
    const bytes: number[] = [];
    for (let round = 0; round < rounds; round++) {
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      for (let n = 0; n < perRound; n++) admit();
      bytes.push((process.memoryUsage().heapUsed - before) / perRound);
    }
    hook.disable();
    expect(promises).toBe(0);
    expect(world.commands.length).toBe(commands);
    // The first rounds are compiled on the way; a collection in the middle of one makes its figure too small.
    const [median = Infinity] = bytes
      .slice(rounds / 2)
      .sort((a, b) => a - b)
      .slice(rounds / 4);
    expect(median).toBeGreaterThan(0);
    expect(median).toBeLessThan(mostBytes);
    first.end();
  }));
