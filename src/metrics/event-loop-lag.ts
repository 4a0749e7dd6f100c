import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

/**
 * The lag of the event loop is measured by waking it: a hundred times a second, as is usual, costs an idle instance more
 * than all else that it does.
 */
const wakeEveryMs = 100;

/**
 * The longest time by which the event loop was late within the last window or two, seconds; undefined: not measured yet.
 * Node measures from one wake-up to the next, so that the time between them is no lag. Two monitors take turns, since one
 * that begins anew does not see what holds it up at that moment.
 */
export function eventLoopLag(windowMs: number): () => number | undefined {
  const monitors = [1, 2].map(() => monitorEventLoopDelay({ resolution: wakeEveryMs }));
  for (const monitor of monitors) monitor.enable();
  let begun = performance.now();
  return () => {
    const seen = monitors.filter(({ count }) => count > 0);
    const longest = Math.max(...seen.map(({ max }) => max)) / 1e6;
    if (performance.now() - begun >= windowMs) {
      begun = performance.now();
      const [older, newer] = monitors.splice(0);
      older?.reset();
      monitors.push(...[newer, older].filter((one) => one !== undefined));
    }
    return seen.length === 0 ? undefined : Math.max(0, longest - wakeEveryMs) / 1000;
  };
}
