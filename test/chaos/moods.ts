import { setTimeout as sleep } from 'node:timers/promises';
import type { FakeGraph } from '../../src/sandbox/graph/control.ts';
import type { Script, ScriptRule } from '../../src/sandbox/graph/script.ts';
import type { Chance } from '../simulation/chance.ts';

type Mood = (chance: Chance, graphTimeoutMs: number) => Omit<ScriptRule, 'action'>;

/** How Graph answers now and then. What it does late it does while the request may still be on the wire. */
const moods: readonly Mood[] = [
  (chance, limit) => ({ delayMs: chance.between(50, 1.5 * limit) }),
  () => ({ answer: 'none' }),
  (chance, limit) => ({ answer: 'none', effect: { afterMs: chance.between(50, 0.9 * limit) } }),
  () => ({ answer: 'reset' }),
  () => ({ answer: 'truncated' }),
  () => ({ answer: 'throttled' }),
  () => ({ answer: 'serverError' }),
  (chance, limit) => ({ answer: { pending: { afterMs: chance.between(20, 0.9 * limit) } } }),
  (chance, limit) => ({ answer: { pending: { afterMs: chance.between(20, limit), then: 'failed' } } }),
];

/** Gives Graph one mood after the other until `stopping`. */
export async function changeMoods(
  graph: FakeGraph,
  chance: Chance,
  graphTimeoutMs: number,
  stopping: () => boolean,
): Promise<void> {
  const given: { readonly script: Script; readonly times: number }[] = [];
  while (!stopping()) {
    const times = 1 + chance.below(3);
    // Those that found nobody wait for the next request.
    if (given.filter(({ script, times: most }) => script.used < most).length < 3) {
      const action = chance.happens(0.85) ? 'updateRecordingStatus' : '*';
      const mood = chance.pick(moods)(chance, graphTimeoutMs);
      given.push({ script: graph.script({ action, times, ...mood }), times });
    }
    await sleep(chance.between(300, 1500));
  }
}
