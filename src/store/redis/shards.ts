import type { Opened, ShardFacts } from './scripts.ts';

/** Protocol time as a shard has reported it, and when that reply came, local clock. */
interface Sample {
  readonly time: number;
  readonly at: number;
}

/** By how much two clocks that keep pace may differ, ms and as a part of the time that passed: the network, and drift. */
const paceMs = 50;
const paceDrift = 0.0002;

/** For how long a sample of a shard's time is kept as the newest, ms. */
const sampleMs = 10_000;

/** What this process knows of the times of each shard; every duration is by its own clock. */
export class Shards {
  readonly #now: () => number;
  readonly #began: number;
  /** The largest protocol time that any shard has reported. */
  #seen = 0;
  /** When the elapsed time was last reported to each shard, local clock. */
  readonly #reportedAt = new Map<number, number>();
  readonly #lives = new Map<number, { readonly facts: ShardFacts; readonly since: number }>();

  /** One sample from before the last few seconds, if there is one, and one that is newer. */
  readonly #samples = new Map<number, { readonly older: Sample; readonly newer: Sample }>();

  /** `now` is the process's own clock, ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#began = now();
  }

  now(): number {
    return this.#now();
  }

  /** Protocol time goes on behind this from now on, wherever it is given out to this process. */
  passed(time: number): void {
    this.#seen = Math.max(this.#seen, time + 1);
  }

  /** The arguments for a script that only reads. */
  readArguments(shard: number): { readonly seen: string; readonly elapsed: string } {
    const elapsed = this.#now() - (this.#reportedAt.get(shard) ?? this.#began);
    return { seen: String(this.#seen), elapsed: elapsed.toFixed(3) };
  }

  /** The arguments for a script that advances watched time. */
  reportArguments(shard: number): { readonly seen: string; readonly elapsed: string } {
    const args = this.readArguments(shard);
    this.#reportedAt.set(shard, this.#now());
    return args;
  }

  /** A script has returned a shard's facts; `asked` is when it was sent, local clock. Returns for how long its life has lasted, ms. */
  saw(shard: number, facts: ShardFacts, asked: number): number {
    this.#seen = Math.max(this.#seen, facts.time);
    this.#sample(shard, facts.time);
    const known = this.#lives.get(shard);
    const since = known?.facts.life === facts.life ? known.since : this.#now();
    this.#lives.set(shard, { facts, since });
    // It had begun when it was seen first.
    return facts.settled ? Infinity : Math.max(0, asked - since) - facts.fencedMs;
  }

  /**
   * For how long at least an epoch has been open, by a reply that has just come, ms. Protocol time jumps ahead when a clock
   * is set, and loses time: it counts only where it has kept pace with our own since a moment that we know, and then no
   * longer than our own since the opening. 0: that is not certain.
   */
  elapsedSince(shard: number, { time, agoMs }: Opened): number {
    this.#sample(shard, time);
    const samples = this.#samples.get(shard);
    if (samples === undefined || agoMs === undefined) return 0;
    // Both numbers were cut to whole ms.
    const openedAt = time + 1 - agoMs;
    const { older, newer } = samples;
    const known = newer.time <= openedAt ? newer : older;
    const ownMs = this.#now() - known.at;
    if (Math.abs(time - known.time - ownMs) > paceMs + ownMs * paceDrift) return 0;
    return Math.max(0, Math.min(agoMs, ownMs - Math.max(0, openedAt - known.time)));
  }

  #sample(shard: number, time: number): void {
    const sample = { time, at: this.#now() };
    const known = this.#samples.get(shard);
    if (known === undefined) this.#samples.set(shard, { older: sample, newer: sample });
    else if (sample.at - known.newer.at >= sampleMs)
      this.#samples.set(shard, { older: known.newer, newer: sample });
  }

  /** The life of a shard as it was reported last. */
  lifeOf(shard: number): string | undefined {
    return this.#lives.get(shard)?.facts.life;
  }

  /** Shards whose life has lasted for at least so long, though nobody has noted it; with that life. */
  unsettled(forMs: number, limit: number): readonly { readonly shard: number; readonly life: string }[] {
    const found: { shard: number; life: string }[] = [];
    for (const [shard, { facts, since }] of this.#lives) {
      if (found.length >= limit) break;
      if (!facts.settled && this.#now() - since - facts.fencedMs >= forMs)
        found.push({ shard, life: facts.life });
    }
    return found;
  }

  /** It was noted that this life has lasted for long enough. */
  settled(shard: number, life: string): void {
    const known = this.#lives.get(shard);
    if (known?.facts.life === life)
      this.#lives.set(shard, { ...known, facts: { ...known.facts, settled: true } });
  }
}
