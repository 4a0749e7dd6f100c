import type { Log } from '../src/core/ports/log.ts';

const nothing = (): void => undefined;

/** Default log: warnings and errors go to standard error. */
export const consoleLog: Log = {
  debug: nothing,
  info: nothing,
  warn: (facts, text) => console.warn(`tallylight: ${text}`, facts),
  error: (facts, text) => console.error(`tallylight: ${text}`, facts),
};
