import { ignoredNotices } from './notice.ts';

/** What became of each notification that Graph sent. */
export const noticeOutcomes = {
  learned: 'It told something new, which is in the state of its call.',
  known: 'It told what was known, or what has passed: deliveries come twice and out of order.',
  ended: 'Its call had ended.',
  awaited:
    'It told of the end of an operation that is awaited here or by another instance, which reads it itself.',
  otherOperation: 'It told of an operation that is no status change.',
  unknownOperation: 'It told of an operation that Graph did not name here, or not any more; nothing follows.',
  stranger: 'Its call belongs to another tenant or application than its token.',
  dropped: 'There was no room to keep it until the store answers; it reached the bot all the same.',
  ...ignoredNotices,
} as const;

export type NoticeOutcome = keyof typeof noticeOutcomes;
