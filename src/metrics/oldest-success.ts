interface OldestSuccess {
  /** The oldest of the last successes of all that were reported, Unix time in seconds; undefined: one has had none. */
  report(name: string, ok: boolean): number | undefined;
}

/** Of several things that must each succeed now and then, the one that waits longest: another's success must not hide it. */
export function oldestSuccess(now: () => number = Date.now): OldestSuccess {
  const successes = new Map<string, number | undefined>();
  return {
    report(name, ok) {
      successes.set(name, ok ? now() / 1000 : successes.get(name));
      let oldest = Infinity;
      for (const at of successes.values()) {
        if (at === undefined) return undefined;
        oldest = Math.min(oldest, at);
      }
      return oldest;
    },
  };
}
