import type { CallStory } from './call-story.ts';

/** What is known besides the records of the call. Times are wall clock, ms since the epoch. */
export interface Surroundings {
  readonly now: number;
  /** Since when live activity has been heard without a gap; undefined: it is not. */
  readonly watchedSince: number | undefined;
  /** The store reports it as idle. */
  readonly isIdle: boolean;
  readonly isHeld: boolean;
}

interface Kind {
  /** What the reader is told. */
  readonly text: string;
  readonly holds: (story: CallStory, surroundings: Surroundings) => boolean;
}

const second = 1000;
export const attentionTimes = {
  unconfirmedMs: 15 * second,
  withoutMediaMs: 60 * second,
  notStartedMs: 30 * second,
} as const;

/** Why a person should look at a call that has not ended. */
export const attentionKinds = {
  contradiction: {
    text: 'The roster disagrees with the gate.',
    holds: ({ contradictedIn, epoch }) => contradictedIn === epoch,
  },
  unconfirmed: {
    text: 'Graph has not confirmed the stop for 15 seconds. The gate is closed; participants may still be told of a recording.',
    holds: ({ state, since }, { now }) =>
      state === 'unconfirmed' && now - since >= attentionTimes.unconfirmedMs,
  },
  openWithoutMedia: {
    text: 'The gate has been open for 60 seconds, and no media has arrived in the last 60. Judged only while live activity is watched.',
    holds: ({ state, since, lastMedia }, { now, watchedSince }) =>
      state === 'recording' &&
      watchedSince !== undefined &&
      now - Math.max(since, watchedSince, lastMedia ?? 0) >= attentionTimes.withoutMediaMs,
  },
  notStarted: {
    text: 'The call was established more than 30 seconds ago, and the bot has not requested a recording.',
    holds: ({ establishedAt, hasAsked }, { now }) =>
      !hasAsked && establishedAt !== undefined && now - establishedAt >= attentionTimes.notStartedMs,
  },
  silent: {
    text: 'Nothing has been heard of the call for 45 minutes: no keepAlive, no notification, no media.',
    holds: (_story, { isIdle }) => isIdle,
  },
  refusedStart: {
    text: 'The last request for a recording did not succeed.',
    holds: ({ startFailed, state }) => startFailed && state === 'idle',
  },
  held: {
    text: 'A hold of an operator stands for this call.',
    holds: (_story, { isHeld }) => isHeld,
  },
} as const satisfies Record<string, Kind>;

export type AttentionKind = keyof typeof attentionKinds;

const kinds = Object.entries(attentionKinds) as [AttentionKind, Kind][];

/** Why somebody should look at the call; of one that has ended, only what was contradicted. */
export function attentionOf(story: CallStory, surroundings: Surroundings): readonly AttentionKind[] {
  return kinds.flatMap(([name, { holds }]) =>
    (story.state !== 'ended' || name === 'contradiction') && holds(story, surroundings) ? [name] : [],
  );
}
