import type { CallRow, Head } from '../row.ts';

/** Whether what is shown is what the console knows now. Times are wall clock of this machine, ms. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `since`: when something was last heard; null: nothing was. */
  | { readonly kind: 'lost'; readonly since: number | null };

export interface Rate {
  readonly writes: number;
  readonly bytes: number;
}

export type ModelEvent =
  | { readonly type: 'snapshot'; readonly calls: readonly CallRow[]; readonly head: Head }
  | { readonly type: 'calls'; readonly changed: readonly CallRow[]; readonly removed: readonly string[] }
  | { readonly type: 'activity'; readonly calls: readonly Moved[] }
  | { readonly type: 'head'; readonly head: Head }
  | { readonly type: 'link'; readonly link: Link };

type Moved = Pick<CallRow, 'id' | 'writesPerSecond' | 'bytesPerSecond'>;

/** Activity is told once a second while media moves. */
const rateMs = 3000;
const still: Rate = { writes: 0, bytes: 0 };

/** What the page has been told. Listeners are called at once; it is up to them not to look too often. */
export class Model {
  readonly rows = new Map<string, CallRow>();
  head: Head | null = null;
  link: Link = { kind: 'connecting' };
  /** Grows whenever rows come, go or change; not with media. */
  revision = 0;
  readonly #rates = new Map<string, Rate & { readonly at: number }>();
  readonly #listeners = new Set<() => void>();

  /** Returns the way to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `now`: monotonic, ms. */
  take(event: ModelEvent, now: number): void {
    switch (event.type) {
      case 'snapshot':
        this.rows.clear();
        this.#rates.clear();
        this.head = event.head;
        this.#put(event.calls, now);
        break;
      case 'calls':
        this.#put(event.changed, now);
        for (const id of event.removed) {
          this.rows.delete(id);
          this.#rates.delete(id);
        }
        break;
      case 'activity':
        for (const moved of event.calls) this.#move(moved, now);
        break;
      case 'head':
        this.head = event.head;
        break;
      case 'link':
        this.link = event.link;
    }
    for (const listener of this.#listeners) listener();
  }

  rateOf(id: string, now: number): Rate {
    const rate = this.#rates.get(id);
    return rate === undefined || now - rate.at > rateMs ? still : rate;
  }

  /** Of all calls. */
  totalRate(now: number): Rate {
    const sum = { writes: 0, bytes: 0 };
    for (const { writes, bytes, at } of this.#rates.values()) {
      if (now - at > rateMs) continue;
      sum.writes += writes;
      sum.bytes += bytes;
    }
    return sum;
  }

  #put(rows: readonly CallRow[], now: number): void {
    this.revision += 1;
    for (const row of rows) {
      this.rows.set(row.id, row);
      if (row.bytesPerSecond > 0 || row.writesPerSecond > 0) this.#move(row, now);
    }
  }

  #move({ id, writesPerSecond, bytesPerSecond }: Moved, at: number): void {
    if (this.rows.has(id)) this.#rates.set(id, { writes: writesPerSecond, bytes: bytesPerSecond, at });
  }
}
