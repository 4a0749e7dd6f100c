import { settingOf, type StoreKind } from './plan.ts';
import { simulate, type Result } from './run.ts';
import { shrink } from './shrink.ts';

/** What was played so far. */
export interface Total {
  readonly first: number;
  /** The seed after the last one. */
  next: number;
  steps: number;
  simulatedMs: number;
  uploads: number;
  observed: number;
  faults: number;
  records: number;
}

/** Plays one seed after the other until a promise is broken or `isEnough`. */
export async function search(
  first: number,
  isEnough: (total: Total) => boolean,
  store?: StoreKind,
  onlyLaws = false,
  observes = false,
): Promise<{ readonly total: Total; readonly failed: Result | undefined }> {
  const total: Total = {
    first,
    next: first,
    steps: 0,
    simulatedMs: 0,
    uploads: 0,
    observed: 0,
    faults: 0,
    records: 0,
  };
  do {
    const result = await simulate(total.next, settingOf(total.next, store, onlyLaws, observes));
    total.next += 1;
    total.steps += result.steps;
    total.simulatedMs += result.ms;
    total.uploads += result.uploads;
    total.observed += result.observed;
    total.records += result.records;
    total.faults += result.faults.length;
    if (result.violation !== undefined) return { total, failed: result };
  } while (!isEnough(total));
  return { total, failed: undefined };
}

export const summary = ({ first, next, steps, simulatedMs, uploads, faults, records }: Total): string =>
  `seeds ${first} to ${next - 1}: ${steps} steps, ${Math.round(simulatedMs / 1000)} s of simulated time, ` +
  `${uploads} uploads, ${faults} faults of messages and processes, ${records} records of evidence`;

/** Everything that somebody needs who is to mend it. */
export async function report(
  seed: number,
  failed: Result,
  mutant?: string,
  store?: StoreKind,
  onlyLaws = false,
  observes = false,
): Promise<string> {
  const setting = settingOf(seed, store, onlyLaws, observes);
  const { runs, faults, result, setting: least } = await shrink(seed, setting, failed);
  const { plan, times, rates, redis } = least;
  return [
    `${failed.violation ?? 'nothing'} (seed ${seed}, after ${failed.steps} steps)`,
    `  again:  npm run simulate -- --seed ${seed}${mutant === undefined ? '' : ` --mutant ${mutant}`}${store === undefined ? '' : ` --store ${store}`}${onlyLaws ? ' --laws' : ''}${observes ? ' --observe' : ''}`,
    `  shrunk in ${runs} runs: from ${setting.plan.length} to ${plan.length} acts, from ${failed.faults.length} to ${faults.length} faults`,
    `  store   ${redis ?? 'memory'}, times ${JSON.stringify(times)}, clocks ${rates.join(' ')}`,
    ...plan.map(({ at, act }) => `  act     ${at.toFixed(1).padStart(9)}  ${JSON.stringify(act)}`),
    ...faults.map((fault) => `  fault   ${fault}`),
    ...folded(result.lines),
  ].join('\n');
}

/** What happens again and again is told once. */
function folded(lines: readonly string[]): string[] {
  const told: string[] = [];
  const alike = (line: string): string => line.slice(9).replace(/\d+/g, '#');
  let recent: string[] = [];
  let left = 0;
  for (const line of lines) {
    if (recent.includes(alike(line))) left += 1;
    else {
      if (left > 0) told.push(`           ... ${left} more of these`);
      left = 0;
      told.push(line);
    }
    recent = [...recent.slice(-2), alike(line)];
  }
  return told;
}
