interface OldestSuccess {
  /** The oldest of the last successes of all that were reported, Unix time in seconds; undefined: one has had none. */
  report(name: string, ok: boolean): number | undefined;
  /** The same of these names alone; the others are forgotten. */
  keep(names: readonly string[]): number | undefined;
}

/** Of several things that must each succeed now and then, the one that waits longest: another's success must not hide it. */
export function oldestSuccess(now: () => number = Date.now): OldestSuccess {
  const successes = new Map<string, number | undefined>();
  const oldest = (): number | undefined => {
    const all = [...successes.values()];
    const known = all.filter((at) => at !== undefined);
    return known.length < all.length || known.length === 0 ? undefined : Math.min(...known);
  };
  return {
    report(name, ok) {
      successes.set(name, ok ? now() / 1000 : successes.get(name));
      return oldest();
    },
    keep(names) {
      for (const name of [...successes.keys()]) if (!names.includes(name)) successes.delete(name);
      return oldest();
    },
  };
}
