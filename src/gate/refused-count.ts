import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { ReasonCode } from '../core/reasons.ts';

const maxCalls = 20;

/** Key of the counts of one application; empty: no application. */
export const reporterName = (by: Binding | null): string => (by === null ? '' : `${by.tenant} ${by.app}`);

/** Refused writes of one application, in bounded memory. Times are of the local clock, ms. */
export class RefusedCount {
  readonly by: Binding | null;
  readonly #reasons = new Map<ReasonCode, number>();
  /** A sample. */
  readonly calls = new Set<CallKey>();
  first = Infinity;
  latest = -Infinity;

  constructor(by: Binding | null) {
    this.by = by && { tenant: by.tenant, app: by.app };
  }

  get refused(): Readonly<Partial<Record<ReasonCode, number>>> {
    return Object.fromEntries(this.#reasons);
  }

  get total(): number {
    return [...this.#reasons.values()].reduce((sum, count) => sum + count, 0);
  }

  count(reason: ReasonCode, call: CallKey, at: number): this {
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    this.#name(call);
    this.first = Math.min(this.first, at);
    this.latest = Math.max(this.latest, at);
    return this;
  }

  add(other: RefusedCount): void {
    for (const [reason, count] of other.#reasons)
      this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + count);
    for (const call of other.calls) this.#name(call);
    this.first = Math.min(this.first, other.first);
    this.latest = Math.max(this.latest, other.latest);
  }

  #name(call: CallKey): void {
    if (this.calls.size < maxCalls) this.calls.add(call);
  }
}
