/**
 * Runs at most so many at a time, and the rest in order: a command that waits for its turn here does not use up the time that
 * it has once it is sent. Where one fails, those that wait for it fail with it: whatever is in its way is in theirs.
 */
export function bounded(most: number): <T>(run: () => Promise<T>) => Promise<T> {
  let busy = 0;
  let waiting: { readonly begin: () => void; readonly fail: (error: unknown) => void }[] = [];
  return async (run) => {
    if (busy >= most)
      await new Promise<void>((begin, fail) => {
        waiting.push({ begin, fail });
      });
    else busy += 1;
    try {
      return await run();
    } catch (error) {
      const others = waiting;
      waiting = [];
      for (const { fail } of others) fail(error);
      throw error;
    } finally {
      const next = waiting.shift();
      // Its place goes on to the next.
      if (next === undefined) busy -= 1;
      else next.begin();
    }
  };
}
