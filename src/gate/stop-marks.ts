import type { CallKey } from '../core/call/key.ts';
import type { Binding, CallState } from '../core/call/state.ts';
import { belongsTo, isSameBinding } from './change.ts';

/** How many stops may wait for the store at a time before they are no longer remembered one by one. */
const maxWaiting = 10_000;
/** How many calls are remembered besides, whose stop is stored, or is for another instance to store. */
const maxOthers = 50_000;
/**
 * For how long a call is closed when another instance does not know which recording is meant, ms. It announces the stop
 * again before; an announcement that arrives late may be older than what is recorded now.
 */
export const unknownForMs = 15_000;

/** A recording that the store would let this instance admit, as the store reports it. */
export interface Opening {
  readonly epoch: number;
  readonly binding: Binding | null;
}

/** Owner of a stop, and whether the stop still applies, once the store has answered. */
export type Meaning = 'own' | 'stranger' | 'lapsed';

/** A stop requested on this instance, from its arrival until it is stored. */
export interface StopMark {
  /** By whom it was asked for; null: nobody in particular. */
  readonly by: Binding | null;
  /** The highest epoch it is for; undefined: not known yet. */
  readonly epoch: number | undefined;
  /**
   * What the store's state of the call means for it. A new stop is for whatever is recorded now; one that is repeated
   * lapses with a later start. What a stranger asked for closes nothing any more.
   */
  judge(state: CallState, isRepeated: boolean): Meaning;
  /** The store admits no recording up to this epoch any more. */
  stored(epoch: number): void;
  /** It was no stop after all. Others of the same caller stand. */
  drop(): void;
}

interface Waiting {
  readonly by: Binding | null;
  /** Recordings up to this epoch are closed; all of them until it is known of every request which one it meant. */
  epoch: number;
  /** How many requests it stands for. */
  requests: number;
  /** For how many of them the store has not said yet which recording they meant. */
  unresolved: number;
  /** How often the waiting ones were resolved. */
  resolutions: number;
}

const isSame = (one: Binding | null, other: Binding | null): boolean =>
  one === null || other === null ? one === other : isSameBinding(one, other);

/**
 * Rule R6: calls for which this instance admits nothing after it has received a stop, until a later recording is
 * confirmed. If the epoch of the stop is unknown, every recording counts as earlier until the store answers.
 */
export class StopMarks {
  readonly #maxWaiting: number;
  readonly #maxOthers: number;
  readonly #waiting = new Map<CallKey, Waiting[]>();
  #count = 0;
  /** Call -> the epoch up to which it is closed. Oldest first. */
  readonly #others = new Map<CallKey, number>();
  /** Call -> until when it is closed, whatever is recorded; local clock. Oldest first. */
  readonly #unknown = new Map<CallKey, number>();
  /** There were too many to remember: every recording up to this epoch is closed; null: the store's time is to be asked. */
  #everyCall: number | null | undefined;

  readonly #now: () => number;

  constructor(
    now: () => number,
    sizes: { readonly maxWaiting?: number | undefined; readonly maxOthers?: number } = {},
  ) {
    this.#now = now;
    this.#maxWaiting = sizes.maxWaiting ?? maxWaiting;
    this.#maxOthers = sizes.maxOthers ?? maxOthers;
  }

  /** A stop was asked for. `epoch`: of the grant that is held here; undefined: the store has to say. */
  add(call: CallKey, by: Binding | null, epoch: number | undefined): StopMark {
    const known = this.#waiting.get(call) ?? [];
    let stop = known.find((one) => isSame(one.by, by));
    if (stop === undefined) {
      stop = { by, epoch: 0, requests: 0, unresolved: 0, resolutions: 0 };
      if (this.#count < this.#maxWaiting) {
        this.#waiting.set(call, [...known, stop]);
        this.#count += 1;
      } else this.#everyCall = null;
    }
    stop.requests += 1;
    stop.unresolved += 1;
    const mark = this.#handle(call, stop);
    if (epoch !== undefined) this.#resolve(stop, epoch);
    return mark;
  }

  /** Another instance has received a stop, and carries it out. `epoch` null: it does not know which recording is meant. */
  announced(call: CallKey, epoch: number | null): void {
    if (epoch === null) this.#keep(this.#unknown, call, this.#now() + unknownForMs);
    else {
      this.#unknown.delete(call);
      this.#keep(this.#others, call, Math.max(this.#others.get(call) ?? 0, epoch));
    }
  }

  /** Whether a recording may not be admitted here; as the store reports it, so it also says which stops were meant for it. */
  covers(call: CallKey, { epoch, binding }: Opening): boolean {
    let covered = false;
    for (const stop of this.#waiting.get(call) ?? []) {
      if (stop.by !== null && binding !== null && !isSame(stop.by, binding)) {
        this.#forget(call, stop);
        continue;
      }
      if (stop.unresolved > 0) this.#resolve(stop, epoch);
      if (epoch <= stop.epoch) covered = true;
      else this.#forget(call, stop);
    }
    if (epoch <= (this.#others.get(call) ?? -1)) covered = true;
    else this.#others.delete(call);
    if (this.#now() < (this.#unknown.get(call) ?? -Infinity)) covered = true;
    else this.#unknown.delete(call);
    return covered || this.#everyCall === null || epoch <= (this.#everyCall ?? -1);
  }

  /** Whether a stop was received here that the store does not have yet. */
  isWaiting(call: CallKey): boolean {
    return this.#waiting.has(call);
  }

  /** Whether `timeIs` must be called before anything can be admitted. */
  get needsTime(): boolean {
    return this.#everyCall === null;
  }

  /** The store's time. Epochs follow it, so whatever starts from now on has a higher one. */
  timeIs(now: number): void {
    if (this.#everyCall === null) this.#everyCall = now;
  }

  #handle(call: CallKey, stop: Waiting): StopMark {
    const addedAt = stop.resolutions;
    const isUnresolved = (): boolean => stop.resolutions === addedAt;
    let isDropped = false;
    return {
      by: stop.by,
      get epoch() {
        return isUnresolved() ? undefined : stop.epoch;
      },
      judge: (state, isRepeated) => {
        if (!belongsTo(state, stop.by)) {
          this.#forget(call, stop);
          return 'stranger';
        }
        if (!isRepeated || stop.unresolved > 0) this.#resolve(stop, state.epoch);
        if (state.epoch <= stop.epoch) return 'own';
        this.#forget(call, stop);
        return 'lapsed';
      },
      stored: (epoch) => {
        this.#forget(call, stop);
        this.announced(call, epoch);
      },
      drop: () => {
        if (isDropped) return;
        isDropped = true;
        stop.requests -= 1;
        if (isUnresolved()) stop.unresolved -= 1;
        if (stop.requests === 0) this.#forget(call, stop);
      },
    };
  }

  #resolve(stop: Waiting, epoch: number): void {
    stop.epoch = Math.max(stop.epoch, epoch);
    stop.unresolved = 0;
    stop.resolutions += 1;
  }

  #forget(call: CallKey, stop: Waiting): void {
    const known = this.#waiting.get(call) ?? [];
    const left = known.filter((one) => one !== stop);
    if (left.length === known.length) return;
    this.#count -= 1;
    if (left.length === 0) this.#waiting.delete(call);
    else this.#waiting.set(call, left);
  }

  #keep(kept: Map<CallKey, number>, call: CallKey, value: number): void {
    kept.delete(call);
    kept.set(call, value);
    for (const oldest of kept.keys()) {
      if (kept.size <= this.#maxOthers) return;
      kept.delete(oldest);
    }
  }
}
