/** How often a worker is asked for a sign of life, ms. */
export const pingIntervalMs = 1000;

/** How many rounds may pass without one. A start loads and compiles the program, and takes long on a busy machine. */
export const missedPingsAllowed = { starting: 60, serving: 6, leaving: 6 } as const;

/**
 * Counts the rounds in which one process owes an answer. A round counts only if whoever asks was awake for all of it:
 * one that was suspended itself has yet to read what was answered meanwhile.
 */
export class Liveness {
  #beganAt = -Infinity;
  #isAwaited = false;
  #missed = 0;

  /** Begins a round at `now` (monotonic, ms), in a state that allows `most` missed ones. */
  round(now: number, most: number): 'ask' | 'wait' | 'hung' {
    const wasHeldUp = now - this.#beganAt > 2 * pingIntervalMs;
    this.#beganAt = now;
    if (!this.#isAwaited) {
      this.#isAwaited = true;
      return 'ask';
    }
    if (!wasHeldUp) this.#missed += 1;
    return this.#missed >= most ? 'hung' : 'wait';
  }

  /** A message arrived. */
  answered(): void {
    this.#isAwaited = false;
    this.#missed = 0;
  }
}
