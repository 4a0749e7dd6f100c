import type { Log } from '../../core/ports/log.ts';
import type { Meter } from '../../core/ports/meter.ts';

/** What differs by less is the network, a busy machine, or a clock that is being slewed. */
const leastStepMs = 500;

/** The store's clock and ours, as they were while one command was under way. */
interface Sample {
  /** By how much the store's clock is ahead of our monotonic one: at least, and at most, ms. */
  readonly least: number;
  readonly most: number;
}

/**
 * Watches the store's clock against this process's own. Nothing that keeps a gate honest goes by the store's clock, so a
 * step is only reported: the times in the evidence look odd afterwards, and somebody may want to know why.
 */
export class StoreClock {
  readonly #meter: Partial<Pick<Meter, 'storeClock'>> | undefined;
  readonly #log: Log | undefined;
  #last: Sample | undefined;

  constructor(meter: Partial<Pick<Meter, 'storeClock'>> | undefined, log: Log | undefined) {
    this.#meter = meter;
    this.#log = log;
  }

  /** Another server may be asked from now on, whose clock is its own. */
  forget(): void {
    this.#last = undefined;
  }

  /** A command that was under way from `sent` to `received`, local clock, found the store's clock at `clock`. */
  sample(clock: number, sent: number, received: number): void {
    const sample = { least: clock - received, most: clock - sent };
    const before = this.#last;
    this.#last = sample;
    const aheadMs = before === undefined ? 0 : Math.max(0, sample.least - before.most);
    const behindMs = before === undefined ? 0 : Math.max(0, before.least - sample.most);
    const step = aheadMs >= leastStepMs ? 'forward' : behindMs >= leastStepMs ? 'back' : undefined;
    this.#meter?.storeClock?.((clock - Date.now()) / 1000, step);
    if (step === undefined) return;
    const seconds = Math.round(Math.max(aheadMs, behindMs)) / 1000;
    this.#log?.warn(
      { seconds, direction: step },
      'the clock of the store was changed: recording continues and no deadline is affected; timestamps in the evidence show the change',
    );
  }
}
