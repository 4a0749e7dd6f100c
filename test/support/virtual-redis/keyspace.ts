import { RedisError } from './reply.ts';

export interface StreamId {
  readonly ms: number;
  readonly seq: number;
}

/** Values are never changed in place, so what was there before is at hand as it was. */
export type Value =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'hash'; readonly fields: ReadonlyMap<string, string> }
  | { readonly kind: 'zset'; readonly scores: ReadonlyMap<string, number> }
  | {
      readonly kind: 'stream';
      readonly last: StreamId;
      readonly entries: readonly { readonly id: StreamId; readonly fields: readonly string[] }[];
    };

interface Entry {
  readonly value: Value;
  /** Store clock, ms; undefined: it stays. */
  readonly expiresAt: number | undefined;
}

type ValueOf<Kind extends Value['kind']> = Extract<Value, { kind: Kind }>;

/** Keys with their values and times, and what they were some moments ago. */
export class Keyspace {
  readonly #clock: () => number;
  readonly #elapsed: () => number;
  readonly #memoryMs: number;
  /** How often anything was written. */
  changes = 0;
  readonly #entries = new Map<string, Entry>();
  #changes: { readonly at: number; readonly key: string; readonly before: Entry | undefined }[] = [];

  /** `clock` is the store's; `elapsed` never goes back, and by it changes of the last `memoryMs` can be undone. */
  constructor(clock: () => number, elapsed: () => number, memoryMs: number) {
    this.#clock = clock;
    this.#elapsed = elapsed;
    this.#memoryMs = memoryMs;
  }

  has(key: string): boolean {
    return this.#living(key) !== undefined;
  }

  typeOf(key: string): Value['kind'] | 'none' {
    return this.#living(key)?.value.kind ?? 'none';
  }

  get<Kind extends Value['kind']>(key: string, kind: Kind): ValueOf<Kind> | undefined {
    const value = this.#living(key)?.value;
    if (value === undefined) return undefined;
    if (value.kind !== kind)
      throw new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value');
    return value as ValueOf<Kind>;
  }

  /** An existing key keeps its time. An empty hash or sorted set is none. */
  set(key: string, value: Value): void {
    const isEmpty =
      (value.kind === 'hash' && value.fields.size === 0) ||
      (value.kind === 'zset' && value.scores.size === 0);
    this.#put(key, isEmpty ? undefined : { value, expiresAt: this.#living(key)?.expiresAt });
  }

  delete(key: string): boolean {
    const existed = this.has(key);
    this.#put(key, undefined);
    return existed;
  }

  /** -1: it stays; -2: there is none. */
  expiryOf(key: string): number {
    const entry = this.#living(key);
    return entry === undefined ? -2 : (entry.expiresAt ?? -1);
  }

  expire(key: string, expiresAt: number | undefined): boolean {
    const entry = this.#living(key);
    if (entry === undefined) return false;
    const isOver = expiresAt !== undefined && expiresAt <= this.#clock();
    this.#put(key, isOver ? undefined : { value: entry.value, expiresAt });
    return true;
  }

  clear(): void {
    this.#entries.clear();
    this.#changes = [];
  }

  /** As it was so long ago, but no longer ago than it remembers. */
  undo(ms: number): void {
    const since = this.#elapsed() - ms;
    for (let change = this.#changes.at(-1); change !== undefined && change.at > since;) {
      if (change.before === undefined) this.#entries.delete(change.key);
      else this.#entries.set(change.key, change.before);
      this.#changes.pop();
      change = this.#changes.at(-1);
    }
  }

  #living(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.expiresAt === undefined || entry.expiresAt >= this.#clock()) return entry;
    this.#put(key, undefined);
    return undefined;
  }

  #put(key: string, entry: Entry | undefined): void {
    const before = this.#entries.get(key);
    if (before === undefined && entry === undefined) return;
    this.changes += 1;
    if (this.#memoryMs > 0) {
      const at = this.#elapsed();
      this.#changes.push({ at, key, before });
      if (this.#changes.length > 10_000)
        this.#changes = this.#changes.filter((change) => change.at > at - this.#memoryMs);
    }
    if (entry === undefined) this.#entries.delete(key);
    else this.#entries.set(key, entry);
  }
}
