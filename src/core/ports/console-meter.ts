export const consoleActs = ['close', 'hold', 'release'] as const;
export type ConsoleAct = (typeof consoleActs)[number];

/** What came of an act; `underWay`: it was taken, and is not complete yet. */
export const actOutcomes = ['done', 'underWay', 'refused'] as const;
export type ActOutcome = (typeof actOutcomes)[number];

/** The metrics that the console reports; implemented in `metrics`. */
export interface ConsoleMeter {
  /** `behindMs` is called each time before the metrics are read. */
  journal(behindMs: () => number): void;
  listeners(count: number): void;
  /** A listener was cut, since it did not keep up. */
  listenerCut(): void;
  act(act: ConsoleAct, outcome: ActOutcome): void;
}
