import { endOfObservation, isObserved, type Observation } from '../core/call/observation.ts';
import { noCall } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import type { CallStore } from '../core/ports/call-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';

/** What the operator asks for, and the time of day by which it ends. */
export interface ObservationSetting extends Observation {
  /** Wall clock, ms since the epoch. */
  readonly wallClock: () => number;
}

interface Parts {
  readonly calls: CallStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Pick<Meter, 'observing'>;
  readonly observation?: ObservationSetting | undefined;
}

/** How often it is asked whether the end has come, ms: no timer of the platform lasts for 30 days. */
const lookEveryMs = 1000;
/**
 * How long an instance whom the store does not answer still counts as one of its sessions, ms. The store forgets no member
 * sooner than a minute after its last sign of life, and until then takes in nobody who enforces.
 */
const memberForMs = 45_000;
/** Every how many of these times the store is asked for its clock. */
const looksPerReading = 10;

/**
 * Whether this instance enforces the laws now. It observes only as a member of a store all of whose sessions observe in the
 * same way, and before the end by the later of the wall clock and the store's. Once the end has come it does not go away
 * again, whatever a clock shows.
 */
export class Observing {
  readonly #parts: Parts;
  readonly #wasMemberWithin: (ms: number) => boolean;
  /** The latest time that any clock has shown, ms since the epoch. */
  #latest = -Infinity;
  /** The store's clock, and the local time at which it was read. */
  #shown: { readonly clock: number; readonly at: number } | undefined;
  #cancel: () => void = () => undefined;
  #listeners: (() => void)[] = [];
  #wasTold: boolean | undefined;

  /** `wasMemberWithin`: whether the store has shown within so many ms that this instance is one of its sessions. */
  constructor(parts: Parts, wasMemberWithin: (ms: number) => boolean) {
    this.#parts = parts;
    this.#wasMemberWithin = wasMemberWithin;
  }

  /** What the session of this instance is to have in common with all others, until it is over. */
  get terms(): Observation | undefined {
    const { observation } = this.#parts;
    return observation && { until: observation.until, tenants: observation.tenants };
  }

  /** In force now; undefined: everything is enforced. */
  get current(): Observation | undefined {
    return this.#shown !== undefined && !this.isOver && this.#wasMemberWithin(memberForMs)
      ? this.terms
      : undefined;
  }

  /** Whether the laws are not enforced for a tenant now. */
  observes(tenant: string): boolean {
    const { current } = this;
    return current !== undefined && isObserved(current, tenant, this.#latest);
  }

  /** Whether the end has come. */
  get isOver(): boolean {
    const { observation } = this.#parts;
    return observation === undefined || this.#isOver(observation);
  }

  /** Whether a record about a call of this tenant may claim enforcement; null: its tenant is not known. */
  enforces(tenant: string | null): boolean {
    return tenant === null ? this.current === undefined : !this.observes(tenant);
  }

  /** The store's own clock, ms since the epoch, as a reply has just shown it. */
  storeShows(clock: number): void {
    if (this.#parts.observation === undefined) return;
    this.#shown = { clock, at: this.#parts.clock.now() };
  }

  /** Calls back when the laws may be enforced from now on for what was observed before. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** To be called once the session was opened. */
  open(): void {
    if (!this.isOver) this.#readClock();
    this.report();
    if (!this.isOver) this.#look();
  }

  close(): void {
    this.#cancel();
  }

  /** Tells metrics and log whether the laws are enforced. */
  report(): void {
    const { observation, meter, log } = this.#parts;
    const { current } = this;
    meter.observing(current?.until);
    if (observation === undefined || this.#wasTold === (current !== undefined)) return;
    const wasObserving = this.#wasTold === true;
    this.#wasTold = current !== undefined;
    const facts = { until: endOfObservation(observation), tenants: [...observation.tenants] };
    if (current !== undefined)
      log.warn(facts, 'the gate only observes: writes that the laws refuse pass for these tenants');
    else if (this.isOver) log.warn(facts, 'the observation is over: the gate enforces the laws');
    else if (wasObserving)
      log.warn(facts, 'the gate enforces the laws while this instance has no session in the store');
  }

  #look(looks = 1): void {
    this.#cancel = this.#parts.clock.after(lookEveryMs, () => {
      if (this.#shown === undefined || looks % looksPerReading === 0) this.#readClock();
      this.report();
      for (const listener of this.#listeners) listener();
      if (!this.isOver) this.#look(looks + 1);
    });
  }

  /** A reply that is late shows an earlier time, which does no harm. */
  #readClock(): void {
    const { calls, log } = this.#parts;
    calls.read(noCall).then(
      ({ clock }) => {
        this.storeShows(clock);
        this.report();
      },
      (error: unknown) => log.debug({ error: messageOf(error) }, 'the clock of the store could not be read'),
    );
  }

  #isOver({ until }: Observation): boolean {
    const { observation, clock } = this.#parts;
    const store = this.#shown === undefined ? -Infinity : this.#shown.clock + clock.now() - this.#shown.at;
    this.#latest = Math.max(this.#latest, store, observation?.wallClock() ?? -Infinity);
    return this.#latest >= until;
  }
}
