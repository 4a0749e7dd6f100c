import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { grant } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { CallView } from '../core/ports/call-store.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { change, stateOf } from './change.ts';
import type { GateDeps } from './context.ts';
import { RefusalReports } from './refusal-reports.ts';
import { reporterName, RefusedCount } from './refused-count.ts';

const maxCalls = 1000;
const everyMs = 1000;
/** From the first observed write of a call to its record, ms, where none is refused. */
const collectedMs = 10_000;

/** Whoever asks too much of the store, or adds to evidence that waits already, does so with no record for each call. */
const onlyReported: ReadonlySet<ReasonCode> = new Set(['TooManyUnknownCalls', 'EvidenceBacklog']);

/** What was refused or observed of one call, by who asked for it. */
type OfCall = Map<string, RefusedCount>;

/**
 * Counts refused and observed writes in memory. Once a second, those of bound calls become records of their calls, which proves
 * that early media was not persisted. The others are reported together, without a record per call.
 */
export class Refusals {
  readonly #deps: GateDeps;
  readonly #instance: () => string;
  readonly #reports: RefusalReports;
  #calls = new Map<CallKey, OfCall>();
  #cancel: () => void = () => undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(deps: GateDeps, instance: () => string) {
    this.#deps = deps;
    this.#instance = instance;
    this.#reports = new RefusalReports(deps);
  }

  count(call: CallKey, reason: ReasonCode, by: Binding | null): void {
    const count = new RefusedCount(by).count('refused', reason, call, this.#deps.clock.now());
    if (onlyReported.has(reason)) this.#reports.take(count);
    else this.#take(call, count);
  }

  /** Counts a write that passed and would have been refused. */
  observed(call: CallKey, reason: ReasonCode, by: Binding): void {
    this.#take(call, new RefusedCount(by).count('observed', reason, call, this.#deps.clock.now()));
  }

  /** Writes what was counted; what cannot be written now is kept for the next time, and what is only observed is collected. */
  flush(collecting = false): Promise<void> {
    this.#cancel();
    this.#flushing = this.#flushing.then(() => this.#flushOnce(collecting));
    return this.#flushing;
  }

  /** Nothing is refused any more: what was counted is written, and the last report made. */
  async close(): Promise<void> {
    await this.flush();
    this.#cancel();
    for (const ofCall of this.#calls.values()) for (const count of ofCall.values()) this.#reports.take(count);
    this.#calls.clear();
    await this.#reports.close();
  }

  #take(call: CallKey, count: RefusedCount): void {
    const known = this.#calls.get(call);
    if (known === undefined && this.#calls.size >= maxCalls) {
      this.#reports.take(count);
      return;
    }
    const ofCall = known ?? new Map<string, RefusedCount>();
    const name = reporterName(count.by);
    const same = ofCall.get(name);
    if (same === undefined) ofCall.set(name, count);
    else same.add(count);
    if (known !== undefined) return;
    this.#calls.set(call, ofCall);
    if (this.#calls.size > 1) return;
    this.#cancel();
    this.#cancel = this.#deps.clock.after(everyMs, () => void this.flush(true));
  }

  async #flushOnce(collecting: boolean): Promise<void> {
    const calls = this.#calls;
    this.#calls = new Map();
    for (const [call, ofCall] of calls) {
      if (collecting && this.#isCollected(ofCall)) continue;
      try {
        const view = await this.#deps.calls.read(call);
        if (isNobodys(view)) for (const count of ofCall.values()) this.#reports.take(count);
        else await this.#record(call, ofCall, view);
        calls.delete(call);
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#deps.log.debug(
          { error: messageOf(error) },
          'refused writes could not be recorded; they are kept in memory until the store answers',
        );
        break;
      }
    }
    for (const [call, ofCall] of calls) for (const count of ofCall.values()) this.#take(call, count);
  }

  async #record(call: CallKey, ofCall: OfCall, view: CallView): Promise<void> {
    const all = new RefusedCount(null);
    for (const count of ofCall.values()) all.add(count);
    await change(
      this.#deps,
      call,
      { by: null, instance: this.#instance() },
      () =>
        grant({
          event: { type: 'writesRefused' },
          detail: { refused: all.refused, observed: all.observed },
          ...(all.observed === undefined ? {} : { enforced: false }),
        }),
      view,
    );
  }

  /** A call may be observed for hours: its writes have fewer records than those that somebody has to answer for at once. */
  #isCollected(ofCall: OfCall): boolean {
    const counts = [...ofCall.values()];
    const first = Math.min(...counts.map((count) => count.first));
    return counts.every((count) => count.isObserved) && this.#deps.clock.now() - first < collectedMs;
  }
}

/** Nobody is bound to it and nothing of it is under way: a record would be all that is kept of it. */
function isNobodys(view: CallView): boolean {
  const { state, binding } = stateOf(view);
  return binding === null && state === 'idle';
}
