import type { Log } from '../core/ports/log.ts';

/** A log whose warnings and errors carry the name of the setting that is to be looked at. */
export const namingLog = (log: Log, setting: string): Log => ({
  debug: (facts, text) => log.debug(facts, text),
  info: (facts, text) => log.info(facts, text),
  warn: (facts, text) => log.warn({ setting, ...facts }, text),
  error: (facts, text) => log.error({ setting, ...facts }, text),
});
