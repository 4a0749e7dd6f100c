import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/ports.ts';

/** Longer than any bound of the shutdown itself: then something hangs, and staying would help nobody. */
export const shutdownMs = 60_000;

/** Closes, and ends the process: with 0, or with 1 if that did not end in time. */
export async function shutDown(close: () => Promise<void>, log: Log, why: JsonObject): Promise<void> {
  log.info(why, 'shutting down');
  const force = setTimeout(() => {
    log.error({}, 'the shutdown did not end in time');
    process.exit(1);
  }, shutdownMs);
  await close();
  clearTimeout(force);
  process.exit(0);
}
