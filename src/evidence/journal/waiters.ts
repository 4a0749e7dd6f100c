import type { Fault } from '../../core/errors.ts';

/** Somebody who waits for these outbox entries to be durable. */
interface Flush {
  readonly due: Set<string>;
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
}

export class FlushWaiters {
  readonly #waiting = new Set<Flush>();

  add(ids: Iterable<string>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ due: new Set(ids), resolve, reject });
    });
  }

  /** Those who wait now. What is read from the outbox afterwards says something about them, and about no later one. */
  current(): readonly Flush[] {
    return [...this.#waiting];
  }

  settle(flushes: readonly Flush[], isPending: (id: string) => boolean): void {
    for (const flush of flushes) {
      for (const id of flush.due) if (!isPending(id)) flush.due.delete(id);
      if (flush.due.size === 0 && this.#waiting.delete(flush)) flush.resolve();
    }
  }

  rejectAll(fault: Fault): void {
    for (const { reject } of this.#waiting) reject(fault);
    this.#waiting.clear();
  }
}
