import type { JsonObject } from '../core/json.ts';
import type { CallView } from '../core/ports/call-store.ts';
import { stateOf } from './change.ts';

/**
 * The recording interval that ends with this event: when it was open, and the totals that all instances reported for
 * it.
 */
export function intervalOf(view: CallView): JsonObject {
  const { openedAt, epoch } = stateOf(view);
  // Who was away when its interval ended reports late; that is among the holders, with the epoch it is about.
  const ours = openedAt === null ? [] : view.tallies.filter((tally) => tally.epoch === epoch);
  const sum = (pick: (tally: CallView['tallies'][number]) => number): number =>
    ours.reduce((total, tally) => total + pick(tally), 0);
  return {
    interval:
      openedAt === null
        ? null
        : {
            epoch,
            openedAt: new Date(openedAt).toISOString(),
            // The clock may have been set back meanwhile.
            closedAt: new Date(Math.max(openedAt, view.clock)).toISOString(),
          },
    writes: {
      admitted: sum((tally) => tally.admitted),
      aborted: sum((tally) => tally.aborted),
      unanswered: sum((tally) => tally.unanswered),
      refused: sum((tally) => tally.refused),
      bytes: sum((tally) => tally.bytes),
      ...(ours.some((tally) => tally.discarded !== undefined)
        ? {
            discarded: sum((tally) => tally.discarded ?? 0),
            notDiscarded: sum((tally) => tally.notDiscarded ?? 0),
          }
        : {}),
    },
    holders: view.tallies.map((tally) => ({ ...tally })),
  };
}
