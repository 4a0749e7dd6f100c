import { monotonic } from '../../src/sandbox/loopback.ts';

const everyMs = 20;
/** Timers are never quite punctual, ms. */
const usualMs = 5;

/** How late this process came to run: what the machine, and not a proxy, adds to every time that is measured here. */
export class Pulse {
  readonly #late: { readonly due: number; readonly at: number }[] = [];
  #due = monotonic() + everyMs;
  readonly #timer = setInterval(() => {
    const at = monotonic();
    if (at - this.#due > usualMs) this.#late.push({ due: this.#due, at });
    this.#due = at + everyMs;
  }, everyMs);

  /** For how long it was held up between two moments, ms. */
  lateMs(from: number, until: number): number {
    return this.#late.reduce(
      (sum, { due, at }) => sum + Math.max(0, Math.min(at, until) - Math.max(due, from)),
      0,
    );
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
