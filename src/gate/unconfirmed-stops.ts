import type { CallKey } from '../core/call/key.ts';
import type { StateName } from '../core/call/state.ts';
import { isFault } from '../core/errors.ts';
import type { CallStore } from '../core/ports/call-store.ts';
import type { Clock } from '../core/ports/clock.ts';

const unconfirmed: readonly StateName[] = ['stopping', 'unconfirmed'];
const isUnconfirmed = (state: StateName | undefined): boolean =>
  state !== undefined && unconfirmed.includes(state);

/** How often the store is asked whether another instance has completed a stop, ms. */
const roundMs = 15_000;
/** How many calls are asked for in one round, the oldest first. */
const maxPerRound = 50;
/** What is beyond is younger than all that are known. */
const maxKnown = 10_000;

interface Deps {
  readonly clock: Clock;
  readonly calls: Pick<CallStore, 'read'>;
  /** Whether this instance may ask the store about calls. */
  readonly isLive: () => boolean;
}

/** Stops that this instance has stored and that are not confirmed, with their age; for metrics alone. */
export class UnconfirmedStops {
  readonly #deps: Deps;
  /** Local clock; in the order in which they were stored. */
  readonly #since = new Map<CallKey, number>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** This instance has changed the call, which is in this state now. */
  moved(call: CallKey, state: StateName): void {
    if (!isUnconfirmed(state)) this.#since.delete(call);
    else if (!this.#since.has(call) && this.#since.size < maxKnown) {
      this.#since.set(call, this.#deps.clock.now());
      this.#later();
    }
  }

  /** When the oldest was stored, local clock; undefined: there is none. */
  oldest(): number | undefined {
    const [first] = this.#since.values();
    return first;
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #later(): void {
    if (this.#closed || this.#cancel !== undefined || this.#since.size === 0) return;
    this.#cancel = this.#deps.clock.after(roundMs, () => {
      void this.#look().finally(() => {
        this.#cancel = undefined;
        this.#later();
      });
    });
  }

  /** Another instance may have completed them. */
  async #look(): Promise<void> {
    const { clock, calls, isLive } = this.#deps;
    const before = clock.now() - roundMs;
    const old = [...this.#since].filter(([, since]) => since <= before).slice(0, maxPerRound);
    for (const [call, since] of old) {
      if (this.#closed || !isLive()) return;
      try {
        const { state } = await calls.read(call);
        if (!isUnconfirmed(state?.state) && this.#since.get(call) === since) this.#since.delete(call);
      } catch (error) {
        // One whose state cannot be read stays, and keeps no other from being asked for.
        if (isFault(error, 'StoreUnavailable')) return;
      }
    }
  }
}
