import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/ports/log.ts';

/** Longer than any bound of the shutdown itself: then something hangs, and staying would help nobody. */
export const shutdownMs = 60_000;

interface Steps {
  /** How long to go on serving after the first signal, ms; asked when it comes. */
  readonly delayMs: () => number;
  /** Says that new traffic should go elsewhere; what comes is served all the same. */
  readonly retire: () => void;
  /** Called once. */
  readonly close: (why: JsonObject) => void;
  readonly log: Pick<Log, 'info'>;
}

/** The end of a process that serves. */
export interface Shutdown {
  /** The first signal begins the delay, the next one ends it. Later ones change nothing: the shutdown is bounded. */
  signal(name: NodeJS.Signals): void;
  /** Closes without a delay. */
  now(why: JsonObject): void;
}

export function createShutdown({ delayMs, retire, close, log }: Steps): Shutdown {
  let state: 'serving' | 'retired' | 'closing' = 'serving';
  let timer: NodeJS.Timeout | undefined;
  const now = (why: JsonObject): void => {
    if (state === 'closing') return;
    state = 'closing';
    clearTimeout(timer);
    close(why);
  };
  return {
    now,
    signal(name) {
      const delay = state === 'serving' ? delayMs() : 0;
      if (delay === 0) {
        now({ signal: name });
        return;
      }
      state = 'retired';
      log.info(
        { signal: name, delayMs: delay },
        'not ready any more; requests are served until the shutdown delay ends',
      );
      retire();
      timer = setTimeout(() => now({ signal: name }), delay);
    },
  };
}

/** Both signals that ask a process to end. */
export function onEndSignals(ending: Shutdown): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.signal(signal));
}

/** Closes, and ends the process: with 0, or with 1 if that did not end in time. */
export async function shutDown(close: () => Promise<void>, log: Log, why: JsonObject): Promise<void> {
  log.info(why, 'shutting down');
  const force = setTimeout(() => {
    log.error({}, 'the shutdown did not finish in time; the process exits');
    process.exit(1);
  }, shutdownMs);
  await close();
  clearTimeout(force);
  process.exit(0);
}
