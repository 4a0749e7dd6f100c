import { ignoredNotices } from './notice.ts';

/** What became of each notification that Graph sent. */
export const noticeOutcomes = {
  learned: 'New information; the state of the call was updated.',
  known: 'Nothing new: the notification was a duplicate or arrived out of order.',
  ended: 'The call had already ended.',
  awaited: 'An awaited operation has ended; the instance that waits for it reads the result from Graph.',
  otherOperation: 'The operation is not a recording status change.',
  unknownOperation: 'The operation is not known, or no longer known; the notification was ignored.',
  stranger: 'The call belongs to a different tenant or application than the token.',
  dropped:
    'The queue of notifications that wait for the store was full; the notification was still forwarded to the bot.',
  ...ignoredNotices,
} as const;

export type NoticeOutcome = keyof typeof noticeOutcomes;
