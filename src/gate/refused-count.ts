import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { ReasonCode } from '../core/reasons.ts';

const maxCalls = 20;

/** What became of a write that the gate would not admit. */
export type Counted = 'refused' | 'observed';

const increase = (counts: Map<ReasonCode, number>, reason: ReasonCode, by: number): void =>
  void counts.set(reason, (counts.get(reason) ?? 0) + by);

/** Key of the counts of one application; empty: no application. */
export const reporterName = (by: Binding | null): string => (by === null ? '' : `${by.tenant} ${by.app}`);

/** Writes of one application that were refused, or observed, in bounded memory. Times are of the local clock, ms. */
export class RefusedCount {
  readonly by: Binding | null;
  readonly #refused = new Map<ReasonCode, number>();
  readonly #observed = new Map<ReasonCode, number>();
  /** A sample. */
  readonly calls = new Set<CallKey>();
  first = Infinity;
  latest = -Infinity;

  constructor(by: Binding | null) {
    this.by = by && { tenant: by.tenant, app: by.app };
  }

  get refused(): Readonly<Partial<Record<ReasonCode, number>>> {
    return Object.fromEntries(this.#refused);
  }

  /** Undefined: none. */
  get observed(): Readonly<Partial<Record<ReasonCode, number>>> | undefined {
    return this.#observed.size === 0 ? undefined : Object.fromEntries(this.#observed);
  }

  /** Whether none of them was refused. */
  get isObserved(): boolean {
    return this.#refused.size === 0;
  }

  get total(): number {
    return [...this.#refused.values(), ...this.#observed.values()].reduce((sum, count) => sum + count, 0);
  }

  count(what: Counted, reason: ReasonCode, call: CallKey, at: number): this {
    increase(what === 'refused' ? this.#refused : this.#observed, reason, 1);
    this.#name(call);
    this.first = Math.min(this.first, at);
    this.latest = Math.max(this.latest, at);
    return this;
  }

  add(other: RefusedCount): void {
    for (const [reason, count] of other.#refused) increase(this.#refused, reason, count);
    for (const [reason, count] of other.#observed) increase(this.#observed, reason, count);
    for (const call of other.calls) this.#name(call);
    this.first = Math.min(this.first, other.first);
    this.latest = Math.max(this.latest, other.latest);
  }

  #name(call: CallKey): void {
    if (this.calls.size < maxCalls) this.calls.add(call);
  }
}
