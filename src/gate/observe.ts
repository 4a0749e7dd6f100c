import { LRUCache } from 'lru-cache';
import {
  endOfObservation,
  isObservedReason,
  type Observation,
  type ObservedReason,
} from '../core/call/observation.ts';
import { mayUpload } from '../core/call/policy.ts';
import { type CallKey, toGuid } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Refusal } from '../core/decision.ts';
import { stateOf } from './change.ts';
import type { GateDeps } from './context.ts';
import { ObservedWrite } from './observed-write.ts';
import { readInTime } from './read-in-time.ts';

/** Calls whose first observed write had a log line of its own. */
const told = 1000;

interface OfGate {
  /** Who a call belongs to, as far as this instance knows without the store. */
  knownOwner(call: CallKey): Binding | null | undefined;
  /** Whether a hold keeps the calls of an owner closed, or it is not known whether one does. */
  isHeld(owner: Binding): boolean;
  /** Counts an observed write for the evidence. */
  count(call: CallKey, reason: ObservedReason, by: Binding): void;
}

/**
 * What the laws refuse while the store only observes: it passes where nothing but the laws is against it. Whose the call is
 * must be known, and it must be the caller's; every other refusal stands.
 */
export class ObservedWrites {
  readonly #deps: GateDeps;
  readonly #gate: OfGate;
  readonly #live = new Set<ObservedWrite>();
  readonly #told = new LRUCache<CallKey, true>({ max: told });
  readonly #prefix: string;
  #count = 0;
  #closing = false;
  #whenNone: () => void = () => undefined;

  constructor(deps: GateDeps, gate: OfGate) {
    this.#deps = deps;
    this.#gate = gate;
    this.#prefix = `${deps.newId().replaceAll('-', '')}-`;
    deps.observing.onChange(() => this.look());
  }

  /** Cuts what may not go on: the observation may be over, or a hold may stand. */
  look(): void {
    for (const write of [...this.#live]) write.look();
  }

  /** In force on this instance; undefined: the laws are enforced for everybody. */
  get current(): Observation | undefined {
    return this.#deps.observing.current;
  }

  /** To be called once the session was opened. */
  open(): void {
    this.#deps.observing.open();
  }

  /** Tells metrics and log whether the laws are enforced. */
  report(): void {
    this.#deps.observing.report();
  }

  /** Why a write of `who` that was refused would pass; undefined: it would not. */
  async reasonFor(call: CallKey, who: Binding, refusal: Refusal): Promise<ObservedReason | undefined> {
    return (await this.#judge(call, who, refusal))?.reason;
  }

  async #judge(
    call: CallKey,
    who: Binding,
    refusal: Refusal,
  ): Promise<{ readonly reason: ObservedReason; readonly isHeld: () => boolean } | undefined> {
    const { observing, policyFor } = this.#deps;
    const { reason } = refusal;
    // A stranger's tenant is not asked for: it is told by nobody whether a call is observed.
    if (!isObservedReason(reason) || !this.#isFor(who)) return undefined;
    const view = await readInTime(this.#deps, call);
    if (view !== undefined) observing.storeShows(view.clock);
    const stored = view === undefined ? undefined : stateOf(view).binding;
    const owner = stored ?? this.#gate.knownOwner(call) ?? stored;
    if (owner === undefined || !mayUpload(policyFor(owner ?? who), owner, who)) return undefined;
    const isHeld = (): boolean => [owner, who].some((one) => one !== null && this.#gate.isHeld(one));
    return this.#isFor(who) && !isHeld() ? { reason, isHeld } : undefined;
  }

  /**
   * Lets a write pass that was refused, if the laws alone refuse it and the tenant of the caller, whose call it must be, is
   * observed and no hold stands. It is counted, and no stop waits for it or ends it; a hold does.
   */
  async take(call: CallKey, who: Binding, refusal: Refusal): Promise<ObservedWrite | undefined> {
    const judged = await this.#judge(call, who, refusal);
    if (judged === undefined) return undefined;
    const { reason, isHeld } = judged;
    this.#tell(call, who, reason);
    this.#deps.meter.observedWrite(reason);
    this.#gate.count(call, reason, who);
    this.#count += 1;
    const write = new ObservedWrite({
      call,
      id: this.#prefix + String(this.#count),
      obstacle: () => {
        if (isHeld()) return 'RecordingNotActive';
        if (this.#deps.observing.observes(who.tenant)) return undefined;
        return this.#deps.observing.isOver ? 'RecordingNotActive' : 'SessionLost';
      },
      over: (ended) => {
        this.#live.delete(ended);
        if (this.#live.size === 0) this.#whenNone();
      },
    });
    this.#live.add(write);
    return write;
  }

  /** The process ends: nothing more passes, and what is in flight ends within the drain limit. */
  close(): Promise<void> {
    this.#closing = true;
    const { clock, times, observing } = this.#deps;
    for (const write of [...this.#live]) write.stop(clock, times.drainMs, 'ShuttingDown');
    const none = new Promise<void>((resolve) => {
      this.#whenNone = resolve;
      if (this.#live.size === 0) resolve();
    });
    return none.then(() => observing.close());
  }

  #isFor({ tenant }: Binding): boolean {
    return !this.#closing && this.#deps.observing.observes(tenant);
  }

  #tell(call: CallKey, { tenant, app }: Binding, reason: ObservedReason): void {
    if (this.#told.has(call)) return;
    this.#told.set(call, true);
    const { current } = this.#deps.observing;
    this.#deps.log.warn(
      {
        ...{ call: toGuid(call), tenant, app, reason },
        ...(current === undefined ? {} : { until: endOfObservation(current) }),
      },
      'a write would have been refused and passed, since the gate only observes; further ones of this call are only counted',
    );
  }
}
