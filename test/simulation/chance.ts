/** Chance that depends on a seed and a name alone, so that taking one decision away leaves all others as they are. */
export class Chance {
  #state: number;

  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let index = 0; index < name.length; index++)
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    this.#state = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ seed;
  }

  /** From 0 to 1, 1 excluded (mulberry32). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  happens(probability: number): boolean {
    return this.#next() < probability;
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  between(least: number, most: number): number {
    return least + this.#next() * (most - least);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** Which of the faults that a seed holds are to befall a run; all of them if absent. */
export interface Choice {
  readonly faults?: ReadonlySet<string>;
  /** Small differences between the delays of messages. */
  readonly jitter: boolean;
}

/** What befalls messages and processes: decided by the seed and by the name and number of each occasion. */
export class Weather {
  /** Nothing befalls anybody any more. */
  isCalm = false;
  /** The names of the faults that befell. */
  readonly befallen: string[] = [];
  readonly #seed: number;
  readonly #choice: Choice;
  readonly #occasions = new Map<string, number>();

  constructor(seed: number, choice: Choice) {
    this.#seed = seed;
    this.#choice = choice;
  }

  /** How long something small takes, ms. */
  delay(name: string): number {
    if (this.isCalm || !this.#choice.jitter) return 1;
    const chance = this.#chance(`${name} takes`);
    return chance.happens(0.9) ? chance.between(0.1, 3) : chance.between(3, 40);
  }

  /** What goes wrong on this occasion; usually nothing. */
  fault<T>(name: string, probability: number, what: (chance: Chance) => T): T | undefined {
    if (this.isCalm) return undefined;
    const number = (this.#occasions.get(name) ?? 0) + 1;
    this.#occasions.set(name, number);
    if (probability <= 0) return undefined;
    const key = `${name} #${number}`;
    const chance = new Chance(this.#seed, key);
    if (!chance.happens(probability) || this.#choice.faults?.has(key) === false) return undefined;
    this.befallen.push(key);
    return what(chance);
  }

  #chance(name: string): Chance {
    const number = (this.#occasions.get(name) ?? 0) + 1;
    this.#occasions.set(name, number);
    return new Chance(this.#seed, `${name} #${number}`);
  }
}
