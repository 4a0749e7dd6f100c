import type { OutboxContent } from '../core/call/evidence-lines.ts';
import type { Backlog, OutboxEntry, Report, Reported, Reporter } from '../core/ports/outbox.ts';

interface Waiting {
  readonly entry: OutboxEntry;
  readonly since: number;
}

/** Evidence that waits in the process, and who reports refused writes. Times are those of the store in the process. */
export class MemoryOutbox {
  readonly #waiting = new Map<string, Waiting>();
  readonly #reporters = new Map<string, Reporter>();
  #added = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** Returns the id of the entry. */
  add(content: OutboxContent, now: number): string {
    const id = String((this.#added += 1));
    this.#waiting.set(id, { entry: { ...content, id }, since: now });
    return id;
  }

  has(id: string): boolean {
    return this.#waiting.has(id);
  }

  oldest(limit: number): readonly OutboxEntry[] {
    return [...this.#waiting.values()].slice(0, limit).map(({ entry }) => entry);
  }

  remove(entries: readonly OutboxEntry[]): void {
    for (const { id } of entries) this.#waiting.delete(id);
  }

  /** Takes one entry for the size of all. */
  backlog(now: number): Backlog {
    const [oldest] = this.#waiting.values();
    if (oldest === undefined) return { oldest: null, bytes: 0 };
    const { entry, since } = oldest;
    return {
      oldest: { id: entry.id, ageMs: Math.max(0, now - since) },
      bytes: this.size * JSON.stringify(entry).length,
    };
  }

  report({ from, lines, gone, last }: Report, now: number): Reported {
    const { number: known = 0 } = this.#reporters.get(from.instance) ?? {};
    const fresh = lines.filter(({ number }) => number > known);
    for (const refusedWrites of fresh) this.add({ refusedWrites }, now);
    this.#reporters.set(from.instance, { ...from, number: fresh.at(-1)?.number ?? known });
    for (const { instance, beat } of gone)
      if (this.#reporters.get(instance)?.beat === beat) this.#reporters.delete(instance);
    if (last) this.#reporters.delete(from.instance);
    return {
      now,
      others: [...this.#reporters.values()].filter(({ instance }) => instance !== from.instance),
    };
  }
}
