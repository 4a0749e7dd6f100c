import { LRUCache } from 'lru-cache';

/** Gives back what was taken; once. */
export type Release = () => void;
/** undefined: there is no room. */
export interface Take {
  (name: string, amount?: number): Release | undefined;
}

export interface Counters extends Take {
  /** How much is in progress, of all names. */
  total(): number;
}

/**
 * Counts items in progress by name; names without items are removed, so memory is bounded by the items in progress.
 */
export function counters(max: number): Counters {
  const counts = new Map<string, number>();
  let total = 0;
  const take: Take = (name, amount = 1) => {
    const count = counts.get(name) ?? 0;
    if (count + amount > max) return undefined;
    counts.set(name, count + amount);
    total += amount;
    return () => {
      total -= amount;
      const left = (counts.get(name) ?? amount) - amount;
      if (left === 0) counts.delete(name);
      else counts.set(name, left);
    };
  };
  return Object.assign(take, { total: () => total });
}

/** A counter to increment, with the text for the case that it is exhausted. */
export type Part = readonly [take: Take, name: string, lack: string];

/** Takes all parts or none; returns how to release them, or the text of the exhausted part. */
export function takeAll(parts: readonly Part[], amount = 1): Release | string {
  const taken: Release[] = [];
  const release = (): void => {
    for (const give of taken.splice(0)) give();
  };
  for (const [take, name, lack] of parts) {
    const give = take(name, amount);
    if (give === undefined) {
      release();
      return lack;
    }
    taken.push(give);
  }
  return release;
}

/** Callers whose rate is remembered; a forgotten one begins anew. */
const rememberedCallers = 10_000;

/** Token buckets by name; each holds the tokens of one second. */
export interface TokenBuckets {
  left(name: string): number;
  take(name: string): void;
}

export function tokenBuckets(perSecond: number, now: () => number): TokenBuckets {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: rememberedCallers });
  const filled = (name: string): { tokens: number; at: number } => {
    const at = now();
    const bucket = buckets.get(name) ?? { tokens: perSecond, at };
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((at - bucket.at) / 1000) * perSecond);
    bucket.at = at;
    return bucket;
  };
  return {
    left: (name) => (perSecond === Infinity ? Infinity : filled(name).tokens),
    take(name) {
      if (perSecond === Infinity) return;
      const bucket = filled(name);
      // What was under way at once may come to more than there is; it is paid for within a second.
      bucket.tokens = Math.max(-perSecond, bucket.tokens - 1);
      buckets.set(name, bucket);
    },
  };
}
