import { callAsGraphSpells } from '../src/core/call/key.ts';
import type { JsonObject } from '../src/core/json.ts';
import type { Log } from '../src/core/ports/log.ts';

const nothing = (): void => undefined;

/** Default log: warnings and errors go to standard error. */
export const consoleLog: Log = {
  debug: nothing,
  info: nothing,
  warn: (facts, text) => console.warn(`tallylight: ${text}`, facts),
  error: (facts, text) => console.error(`tallylight: ${text}`, facts),
};

type Write = (facts: JsonObject, text: string) => void;

/** The log of the host: one that throws keeps no gate from closing. */
export function guarded(log: Log): Log {
  const quiet =
    (write: Write): Write =>
    (facts, text) => {
      try {
        write(callAsGraphSpells(facts), text);
      } catch {
        // Nobody is left to tell.
      }
    };
  return {
    debug: quiet((facts, text) => log.debug(facts, text)),
    info: quiet((facts, text) => log.info(facts, text)),
    warn: quiet((facts, text) => log.warn(facts, text)),
    error: quiet((facts, text) => log.error(facts, text)),
  };
}
