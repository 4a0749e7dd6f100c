import type { CallState } from './call-state.ts';
import type { Contradiction, Roster, RosterReading } from './roster.ts';

/**
 * What the roster says against the gate, once per epoch and kind. `now` is the store's clock, ms; `graceMs` is how long
 * the roster may lag. While a status change is under way nothing is known that could be contradicted.
 */
export function contradictionOf(
  state: CallState,
  roster: Roster,
  { shown, stated }: Pick<RosterReading, 'shown' | 'stated'>,
  now: number,
  graceMs: number,
): Contradiction | undefined {
  const kind = judge(state, roster, shown, stated, now - graceMs);
  return kind === undefined || roster.contradictedIn[kind] === state.epoch ? undefined : kind;
}

function judge(
  { state, epoch, openedAt, closedAt }: CallState,
  roster: Roster,
  shown: boolean,
  stated: boolean,
  settled: number,
): Contradiction | undefined {
  if (state === 'recording') {
    const seen = shown || roster.shownIn === epoch;
    // Whoever shows it may be among those that Graph did not list.
    if (roster.partial === true) return undefined;
    return !seen && openedAt !== null && openedAt <= settled ? 'neverShown' : undefined;
  }
  if (state !== 'idle' || !stated) return undefined;
  if (closedAt !== null) return closedAt <= settled ? 'shownAfterStop' : undefined;
  // An epoch is the time of its start; before the first there is nothing to lag behind.
  return epoch <= settled ? 'shownUnconfirmed' : undefined;
}
