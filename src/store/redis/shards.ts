import type { ShardFacts } from './scripts.ts';

/** What this process knows of the times of each shard; every duration is by its own clock. */
export class Shards {
  readonly #now: () => number;
  readonly #began: number;
  /** The largest protocol time that any shard has told. */
  #seen = 0;
  /** When each shard was last told how long it is since it was told before. */
  readonly #told = new Map<number, number>();
  readonly #lives = new Map<number, { readonly facts: ShardFacts; readonly since: number }>();

  /** `now` is the process's own clock, ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#began = now();
  }

  now(): number {
    return this.#now();
  }

  /** The arguments for a script that only looks. */
  look(shard: number): { readonly seen: string; readonly elapsed: string } {
    const elapsed = this.#now() - (this.#told.get(shard) ?? this.#began);
    return { seen: String(this.#seen), elapsed: elapsed.toFixed(3) };
  }

  /** The arguments for a script that lets watched time go on. */
  tell(shard: number): { readonly seen: string; readonly elapsed: string } {
    const args = this.look(shard);
    this.#told.set(shard, this.#now());
    return args;
  }

  /** A script has told of a shard; `asked` is when it was sent, local clock. Returns for how long its life has lasted, ms. */
  saw(shard: number, facts: ShardFacts, asked: number): number {
    this.#seen = Math.max(this.#seen, facts.time);
    const known = this.#lives.get(shard);
    const since = known?.facts.life === facts.life ? known.since : this.#now();
    this.#lives.set(shard, { facts, since });
    // It had begun when it was seen first.
    return facts.settled ? Infinity : Math.max(0, asked - since) - facts.fencedMs;
  }

  /** The life of a shard as it was told last. */
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
