import { type HoldRegistry, noHolds } from '../core/call/hold.ts';
import type { SessionId } from '../core/call/session.ts';
import type { Acknowledged, HoldCommit, HoldsView } from '../core/ports/hold-store.ts';
import type { MemoryOutbox } from './memory-outbox.ts';

/** The holds of a store in this process. They are known once somebody has read them from the journal. */
export class MemoryHolds {
  readonly #life: string;
  readonly #outbox: MemoryOutbox;
  readonly #acknowledged = new Map<SessionId, Acknowledged>();
  readonly #listeners = new Set<() => void>();
  #registry: HoldRegistry = noHolds;
  /** Up to this epoch some recordings are closed for good: protocol time goes on behind it. */
  closedUpTo = 0;
  #isKnown = false;
  #last: { readonly operation: string; readonly entry: string } | undefined;

  constructor(life: string, outbox: MemoryOutbox) {
    this.#life = life;
    this.#outbox = outbox;
  }

  read(session: SessionId | null, acknowledged: Acknowledged | null, clock: number): HoldsView {
    if (session !== null && acknowledged !== null) this.#acknowledged.set(session, acknowledged);
    return { registry: this.#registry, isKnown: this.#isKnown, life: this.#life, clock };
  }

  commit({ expected, life, registry, line, operation }: HoldCommit, now: number): string | undefined {
    if (this.#last?.operation === operation) return this.#last.entry;
    if (life !== this.#life || expected !== this.#registry.number) return undefined;
    if (line !== null && !this.#isKnown) return undefined;
    this.#registry = registry;
    this.closedUpTo = Math.max(this.closedUpTo, ...registry.closed.map(({ epoch }) => epoch));
    this.#isKnown = true;
    const entry = line === null ? '' : this.#outbox.add({ hold: line }, now);
    this.#last = { operation, entry };
    for (const changed of this.#listeners) queueMicrotask(changed);
    return entry;
  }

  hasAcknowledged(session: SessionId, { life, number }: Acknowledged): boolean {
    const known = this.#acknowledged.get(session);
    return known?.life === life && known.number >= number;
  }

  forget(session: SessionId): void {
    this.#acknowledged.delete(session);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
