import { codeOf, networkCause } from '../core/network-cause.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

/** A peer that stays away is not told more often than this for the same cause, ms. */
const againMs = 60_000;

/** A log whose lines all carry these facts, such as the setting that they are about. */
export const about = (log: Log, facts: JsonObject): Log => ({
  debug: (more, text) => log.debug({ ...facts, ...more }, text),
  info: (more, text) => log.info({ ...facts, ...more }, text),
  warn: (more, text) => log.warn({ ...facts, ...more }, text),
  error: (more, text) => log.error({ ...facts, ...more }, text),
});

/** Tells of connections to a peer that fail: of each cause at once, then once a minute with how many were left out. */
export function unreachable(
  { log, clock }: { readonly log: Log; readonly clock: Pick<Clock, 'now'> },
  {
    url,
    setting,
    consequence = 'no connection to a peer: requests to it are refused',
  }: { readonly url: string; readonly setting: string; readonly consequence?: string },
): (error: unknown) => void {
  const told = new Map<string, { at: number; leftOut: number }>();
  const { host } = new URL(url);
  return (error) => {
    const code = codeOf(error) ?? 'unknown';
    const before = told.get(code);
    const now = clock.now();
    if (before !== undefined && now - before.at < againMs) {
      before.leftOut += 1;
      return;
    }
    told.set(code, { at: now, leftOut: 0 });
    log.warn(
      {
        setting,
        host,
        cause: networkCause(error) ?? code,
        ...(before === undefined || before.leftOut === 0 ? {} : { leftOut: before.leftOut }),
      },
      consequence,
    );
  };
}
