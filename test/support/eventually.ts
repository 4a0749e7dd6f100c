import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition; throws with its last value when the time is over. */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  { withinMs = 60_000, what = 'the condition' }: { withinMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what} did not come true within ${withinMs} ms`);
    await sleep(5);
  }
}
