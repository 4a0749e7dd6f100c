import { isFault, messageOf } from '../core/errors.ts';
import type { GateDeps } from './context.ts';

const everyMs = 60_000;
/** How many calls are forgotten at a time at most; what is left over waits for the next. */
const maxPerRound = 2000;

/** Deletes expired data in the store once a minute. Every instance does so; nothing depends on it. */
export class StoreSweep {
  readonly #deps: Pick<GateDeps, 'calls' | 'clock' | 'log'>;
  #dueAt: number;
  #isBusy = false;

  constructor(deps: Pick<GateDeps, 'calls' | 'clock' | 'log'>) {
    this.#deps = deps;
    this.#dueAt = deps.clock.now() + everyMs;
  }

  /** A heartbeat got through. */
  run(): void {
    const { clock, calls, log } = this.#deps;
    if (this.#isBusy || clock.now() < this.#dueAt) return;
    this.#dueAt = clock.now() + everyMs;
    this.#isBusy = true;
    calls
      .sweep(maxPerRound)
      .catch((error: unknown) => {
        if (isFault(error))
          log.debug({ error: messageOf(error) }, 'the cleanup of expired calls in the store was skipped');
        else log.error({ error: messageOf(error) }, 'the cleanup of expired calls in the store failed');
      })
      .finally(() => (this.#isBusy = false));
  }
}
