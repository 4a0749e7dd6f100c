import type { Contradiction, Roster } from '../call/roster.ts';
import type { CallState } from '../call/state.ts';
import type { RosterReading } from './roster.ts';

/**
 * Returns the contradiction between the roster and the gate, at most once per epoch and kind. `watched` is the
 * watched time of the call's part of the store, ms, so that setting a clock cannot cause a contradiction. `graceMs`
 * is how long the roster may lag. While a status change is in progress there is no contradiction.
 */
export function contradictionOf(
  state: CallState,
  roster: Roster,
  { shown, stated }: Pick<RosterReading, 'shown' | 'stated'>,
  watched: number,
  graceMs: number,
): Contradiction | undefined {
  const kind = judge(state, roster, shown, stated, watched - graceMs);
  return kind === undefined || roster.contradictedIn[kind] === state.epoch ? undefined : kind;
}

function judge(
  { state, epoch, startedAt, closedAt }: CallState,
  roster: Roster,
  shown: boolean,
  stated: boolean,
  settled: number,
): Contradiction | undefined {
  if (state === 'recording') {
    const seen = shown || roster.shownIn === epoch;
    // Whoever shows it may be among those that Graph did not list.
    if (roster.partial === true) return undefined;
    return !seen && startedAt <= settled ? 'neverShown' : undefined;
  }
  if (state !== 'idle' || !stated) return undefined;
  if (closedAt !== null) return closedAt <= settled ? 'shownAfterStop' : undefined;
  // Before the first start there is nothing to lag behind.
  return epoch === 0 || startedAt <= settled ? 'shownUnconfirmed' : undefined;
}
