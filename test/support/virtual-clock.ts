import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/core/ports/clock.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that only a test moves. Timers fire in order of their time, those of one moment in order of their making. */
export class VirtualClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];
  /** By how much timers fire too early, ms: Node drops the fraction of a delay, but waits one millisecond at least. */
  earlyMs = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const delayMs = this.earlyMs > 0 ? Math.max(1, ms - this.earlyMs) : ms;
    const timer = { at: this.#now + delayMs, run };
    const later = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(later < 0 ? this.#timers.length : later, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** Lets everything happen that needs no time: an immediate runs only when no promise is left to settle. */
  async settle(): Promise<void> {
    await setImmediate();
  }

  /** Moves to the next timer not after `until` and runs it; false: there is none. */
  async step(until = Infinity): Promise<boolean> {
    await this.settle();
    const [next] = this.#timers;
    if (next === undefined || next.at > until) return false;
    this.#timers.shift();
    this.#now = Math.max(this.#now, next.at);
    next.run();
    await this.settle();
    return true;
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    while (await this.step(until));
    this.#now = Math.max(this.#now, until);
  }

  /** Time passes while nothing runs: the process slept, or one step took long. */
  jump(ms: number): void {
    this.#now += ms;
  }
}
