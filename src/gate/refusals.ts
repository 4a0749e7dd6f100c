import type { CallKey } from '../core/call-key.ts';
import { grant } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { change } from './change.ts';
import type { GateDeps } from './context.ts';

const maxCalls = 1000;
const everyMs = 1000;

/**
 * Refused writes, counted in memory and written into the evidence once a second: early media is proof that
 * nothing of it was kept, but a flood of it must not become a flood of records.
 */
export class Refusals {
  readonly #deps: GateDeps;
  readonly #instance: () => string;
  #counts = new Map<CallKey, Map<ReasonCode, number>>();
  #cancel: () => void = () => undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(deps: GateDeps, instance: () => string) {
    this.#deps = deps;
    this.#instance = instance;
  }

  count(call: CallKey, reason: ReasonCode): void {
    const known = this.#counts.get(call);
    if (known === undefined && this.#counts.size >= maxCalls) return;
    const reasons = known ?? new Map<ReasonCode, number>();
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    this.#counts.set(call, reasons);
    if (this.#counts.size === 1 && known === undefined) {
      this.#cancel();
      this.#cancel = this.#deps.clock.after(everyMs, () => void this.flush());
    }
  }

  /** Writes what was counted; what cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.#cancel();
    this.#flushing = this.#flushing.then(() => this.#flushOnce());
    return this.#flushing;
  }

  async #flushOnce(): Promise<void> {
    const counts = this.#counts;
    this.#counts = new Map();
    for (const [call, reasons] of counts) {
      try {
        const detail = { refused: Object.fromEntries(reasons) };
        await change(this.#deps, call, { by: null, instance: this.#instance() }, () =>
          grant({ event: { type: 'writesRefused' }, detail }),
        );
        counts.delete(call);
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#deps.log.debug({ error: messageOf(error) }, 'refused writes are kept until the store answers');
        break;
      }
    }
    for (const [call, reasons] of counts) {
      for (const [reason, count] of reasons) this.#add(call, reason, count);
    }
  }

  #add(call: CallKey, reason: ReasonCode, count: number): void {
    this.count(call, reason);
    const reasons = this.#counts.get(call);
    if (reasons !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + count - 1);
  }
}
