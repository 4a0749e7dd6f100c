/** Time and chance, as arguments. */
export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Runs later, once; returns the way to cancel. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void;
}
