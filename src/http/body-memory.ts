import { refuse } from '../core/decision.ts';
import type { Release } from './counters.ts';
import type { Limits } from './limits.ts';
import { retryAfterMs, type Share } from './shares.ts';

/** So much of a body is in memory before anybody has asked for it, and counts with the place of its request. */
const withPlace = 4 * 1024;

export const noMemory = refuse('Overloaded', {
  detail: 'too many bodies are being read',
  retryAfterMs,
});

/** What one request holds of the memory for bodies. */
export interface BodyMemory {
  /** Takes room for what came with the head, without having been asked for; false: there is none. */
  readonly holdsAhead: (bytes: number) => boolean;
  /** Room for so many bytes, those that came ahead among them; undefined: there is none. */
  readonly keeps: (bytes: number) => Release | undefined;
  /** Gives everything back. */
  readonly release: Release;
}

export function bodyMemory({ bodyMemory: take }: Pick<Limits, 'bodyMemory'>, share: Share): BodyMemory {
  const held = new Set<Release>();
  const hold = (bytes: number): Release | undefined => {
    const room = take(share, bytes);
    if (room === undefined) return undefined;
    held.add(room);
    return () => {
      if (held.delete(room)) room();
    };
  };
  let ahead: { readonly bytes: number; readonly release: Release } | undefined;
  const holdAhead = (bytes: number): boolean => {
    const release = hold(bytes);
    ahead = release && { bytes, release };
    return release !== undefined;
  };
  return {
    holdsAhead: (bytes) => share.proven || bytes <= withPlace || holdAhead(bytes),
    keeps(bytes) {
      const before = ahead;
      before?.release();
      const room = hold(bytes);
      // There is room for it: it was given back just now.
      if (room === undefined && before !== undefined) holdAhead(before.bytes);
      else ahead = undefined;
      return room;
    },
    release() {
      for (const room of held) room();
      held.clear();
    },
  };
}
