import type { Planned } from './acts.ts';
import type { Setting } from './plan.ts';
import { simulate, type Result } from './run.ts';

/** The least that still goes wrong in the same way. */
export interface Shrunk {
  readonly setting: Setting;
  readonly faults: readonly string[];
  readonly result: Result;
  /** How many runs it took. */
  readonly runs: number;
}

const mostRuns = 600;

/** What went wrong, without names and numbers that differ from run to run. */
const kindOf = (violation: string | undefined): string | undefined =>
  violation?.replace(/[0-9a-f]{32}|c\d{3}|i\d\.\d+(-\d+)?|\d+/g, '#');

/** Takes away from a failing run what it fails without: faults of messages, then acts, until nothing more can go. */
export async function shrink(seed: number, setting: Setting, failed: Result): Promise<Shrunk> {
  const kind = kindOf(failed.violation);
  let runs = 0;
  let best = { setting, faults: failed.faults, jitter: true, result: failed };
  /** Whether it still fails with this changed; then the change stays. */
  const holds = async (change: Partial<typeof best>): Promise<boolean> => {
    if (runs >= mostRuns) return false;
    runs += 1;
    const tried = { ...best, ...change };
    const { faults, jitter } = tried;
    const result = await simulate(seed, tried.setting, { faults: new Set(faults), jitter });
    if (kindOf(result.violation) !== kind) return false;
    best = { ...tried, faults: faults.filter((fault) => result.faults.includes(fault)), result };
    return true;
  };
  await holds({ setting: { ...setting, rates: setting.rates.map(() => 1) } });
  await holds({ jitter: false });
  for (let before = Infinity; size(best) < before;) {
    before = size(best);
    await without(
      () => best.faults,
      (faults) => holds({ faults }),
    );
    await without(
      () => best.setting.plan,
      (plan: readonly Planned[]) => holds({ setting: { ...best.setting, plan } }),
    );
    await holds({ jitter: false });
  }
  return { ...best, runs };
}

const size = ({ setting, faults }: { setting: Setting; faults: readonly string[] }): number =>
  setting.plan.length + faults.length;

/** Takes parts away, smaller and smaller ones (delta debugging). `left` is what is left after each success. */
async function without<T>(
  left: () => readonly T[],
  holds: (items: readonly T[]) => Promise<boolean>,
): Promise<void> {
  for (let part = left().length; part >= 1; part = Math.floor(part / 2)) {
    for (let start = 0; start < left().length;) {
      const items = left();
      const fewer = [...items.slice(0, start), ...items.slice(start + part)];
      if (!(await holds(fewer))) start += part;
    }
  }
}
