import type { CallState } from '../core/call/state.ts';
import type { StopMark } from './stop-marks.ts';
import { statusOnly } from './stop-retries.ts';
import type { StopObserver, StopRequest } from './stop.ts';

interface Surroundings {
  readonly isRepeated: boolean;
  /** Whether the other instances know which recording is meant: what is held here was announced when it was closed. */
  readonly isAnnounced: boolean;
  readonly announce: (epoch: number) => void;
  /** Closes what is held here up to the epoch: it may have been opened since the stop was received. */
  readonly shut: (epoch: number) => void;
}

/** Whether a recording of the call was stopped and Graph has answered. A call that the store has forgotten says nothing. */
const isDone = ({ state, epoch }: CallState): boolean => state === 'idle' && epoch > 0;

/** Resolves the mark of a stop on this instance according to the state of the call in the store. */
export function stopObserver(
  { cause, onlyBound, meant }: Pick<StopRequest<never>, 'cause' | 'onlyBound' | 'meant'>,
  mark: StopMark,
  { isRepeated, isAnnounced: wasAnnounced, announce, shut }: Surroundings,
): StopObserver {
  let isAnnounced = wasAnnounced;
  return {
    judge: (state) => {
      const before = meant?.(state);
      if (before !== undefined) {
        mark.drop();
        return before;
      }
      const meaning = mark.judge(state, isRepeated);
      if (meaning === 'own') {
        // Another request has completed it.
        if (isRepeated && isDone(state) && statusOnly.includes(cause)) {
          mark.stored(state.epoch);
          return 'lapsed';
        }
        if (onlyBound === true && state.binding === null) {
          mark.drop();
          return 'stranger';
        }
        shut(state.epoch);
        // Where it was announced without an epoch, later recordings are closed elsewhere until it is known.
        if (!isAnnounced && (isRepeated || state.state === 'recording')) announce(state.epoch);
      }
      isAnnounced = true;
      return meaning;
    },
    stored: (epoch) => mark.stored(epoch),
  };
}
