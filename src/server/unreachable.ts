import { codeOf, networkCause } from '../core/network-cause.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

/** Interval between log lines about the same peer and cause, ms. */
const againMs = 60_000;

/** A log whose lines all carry these facts, such as the setting that they are about. */
export const withFacts = (log: Log, facts: JsonObject): Log => ({
  debug: (more, text) => log.debug({ ...facts, ...more }, text),
  info: (more, text) => log.info({ ...facts, ...more }, text),
  warn: (more, text) => log.warn({ ...facts, ...more }, text),
  error: (more, text) => log.error({ ...facts, ...more }, text),
});

/** Logs failed connections to a peer: each cause at once, then once a minute with the number of lines left out. */
export function logUnreachable(
  { log, clock }: { readonly log: Log; readonly clock: Pick<Clock, 'now'> },
  {
    url,
    setting,
    consequence = 'no connection to a peer: requests to it are refused',
  }: { readonly url: string; readonly setting: string; readonly consequence?: string },
): (error: unknown) => void {
  const reported = new Map<string, { at: number; leftOut: number }>();
  const { host } = new URL(url);
  return (error) => {
    const code = codeOf(error) ?? 'unknown';
    const before = reported.get(code);
    const now = clock.now();
    if (before !== undefined && now - before.at < againMs) {
      before.leftOut += 1;
      return;
    }
    reported.set(code, { at: now, leftOut: 0 });
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
