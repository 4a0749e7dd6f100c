import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Decision } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import { stateOf } from './change.ts';
import type { GateDeps } from './context.ts';
import type { Holds } from './holds.ts';
import { isPassing } from './stop-retries.ts';

/** How many are stopped, or looked at, at a time. */
const together = 16;
/** How soon a stop is tried again, ms. */
const againMs = 2000;
/** How many calls of the store are looked at when a hold is set. */
const maxSwept = 100_000;

interface HeldRecordingsDeps {
  readonly gate: GateDeps;
  readonly holds: Holds;
  /** Ends what is recorded of a call, if a hold closes it. `owner`: whose it is, as far as that is known. */
  readonly stop: (call: CallKey, owner: Binding | null) => Promise<Decision<unknown>>;
}

/** Ends recordings that a hold closes: their gates are closed already. */
export class HeldRecordings {
  readonly #deps: HeldRecordingsDeps;
  readonly #waiting = new Map<CallKey, Binding | null>();
  #running = 0;
  #closed = false;

  constructor(deps: HeldRecordingsDeps) {
    this.#deps = deps;
  }

  add(call: CallKey, owner: Binding | null): void {
    this.#waiting.set(call, owner);
    for (; this.#running < together && this.#waiting.size > this.#running; this.#running++) void this.#run();
  }

  close(): void {
    this.#closed = true;
  }

  /** All calls of the store, since nobody may hold a recording of which no media has come yet. */
  async sweep(): Promise<void> {
    const { gate, holds } = this.#deps;
    try {
      const calls = [...(await gate.calls.idle(0, maxSwept))];
      const look = async (): Promise<void> => {
        for (let call = calls.pop(); call !== undefined && !this.#closed; call = calls.pop()) {
          const state = stateOf(await gate.calls.read(call));
          const isOpen = state.state === 'recording' || state.state === 'starting';
          if (isOpen && holds.closes(state)) this.add(call, state.binding);
        }
      };
      await Promise.all(Array.from({ length: together }, look));
    } catch (error) {
      if (!isFault(error)) throw error;
      gate.log.warn(
        { error: messageOf(error) },
        'not all recordings that a hold closes could be found; their gates stay closed',
      );
    }
  }

  async #run(): Promise<void> {
    for (const [call, owner] of this.#waiting) {
      if (this.#closed) break;
      this.#waiting.delete(call);
      await this.#stop(call, owner);
    }
    this.#running -= 1;
  }

  async #stop(call: CallKey, owner: Binding | null): Promise<void> {
    const { gate, stop } = this.#deps;
    try {
      const stopped = await stop(call, owner);
      if (stopped.ok || !isPassing(stopped.reason)) return;
      const { reason, retryAfterMs = 0 } = stopped;
      gate.log.warn(
        { call, reason },
        'a recording that a hold closes could not be stopped yet; trying again',
      );
      gate.clock.after(Math.max(againMs, retryAfterMs), () => {
        if (!this.#closed) this.add(call, owner);
      });
    } catch (error) {
      gate.log.error({ call, error: messageOf(error) }, 'the stop of a recording that a hold closes failed');
    }
  }
}
