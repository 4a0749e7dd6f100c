import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';

/** How many lines of the same class are written, each about another subject, and in which time, ms. */
const linesPerPeriod = 10;
const periodMs = 10_000;

interface LineClass<Subject> {
  readonly told: Set<Subject>;
  leftOut: number;
  readonly end: () => void;
}

/** Bounds log lines that anybody can provoke. */
export interface LimitedLines<Subject> {
  /** Whether a line of this class about this subject is to be written; `facts` name the class. */
  admit(name: string, facts: JsonObject, subject: Subject): boolean;
  /** Tells how many lines were left out so far. */
  close(): void;
}

/** `leftOut` is called at the end of a period in which lines of a class were left out. */
export function limitedLines<Subject>(
  clock: Clock,
  leftOut: (facts: JsonObject & { readonly leftOut: number }) => void,
): LimitedLines<Subject> {
  const classes = new Map<string, LineClass<Subject>>();
  const begin = (name: string, facts: JsonObject): LineClass<Subject> => {
    const end = (): void => {
      cancel();
      classes.delete(name);
      if (begun.leftOut > 0) leftOut({ ...facts, leftOut: begun.leftOut });
    };
    const cancel = clock.after(periodMs, end);
    const begun = { told: new Set<Subject>(), leftOut: 0, end };
    classes.set(name, begun);
    return begun;
  };
  return {
    admit(name, facts, subject) {
      const known = classes.get(name) ?? begin(name, facts);
      if (known.told.has(subject) || known.told.size >= linesPerPeriod) {
        known.leftOut += 1;
        return false;
      }
      known.told.add(subject);
      return true;
    },
    close() {
      for (const { end } of [...classes.values()]) end();
    },
  };
}
