import type { CallRow } from '../row.ts';
import { stateWords } from './words.ts';

export const viewNames = ['attention', 'air', 'unrecorded', 'ended'] as const;
export type ViewName = (typeof viewNames)[number];

interface View {
  readonly title: string;
  readonly has: (row: CallRow) => boolean;
  /** Rows are in the order of this time. */
  readonly time: (row: CallRow) => string;
  readonly order: 'newestFirst' | 'oldestFirst';
  readonly empty: string;
}

/** The tabs of the wall. A call may be on several. */
export const views: Readonly<Record<ViewName, View>> = {
  attention: {
    title: 'Needs attention',
    has: ({ attention }) => attention.length > 0,
    time: ({ since }) => since,
    order: 'oldestFirst',
    empty: 'No call needs attention.',
  },
  air: {
    title: 'On air',
    has: ({ state }) => state === 'recording',
    time: ({ openedAt, since }) => openedAt ?? since,
    order: 'newestFirst',
    empty: 'No call is being recorded.',
  },
  unrecorded: {
    title: 'Not recorded, and why',
    has: ({ notRecordedBecause }) => notRecordedBecause !== null,
    time: ({ since }) => since,
    order: 'newestFirst',
    empty: 'Every call that is known is being recorded, or was.',
  },
  ended: {
    title: 'Ended today',
    has: ({ state }) => state === 'ended',
    time: ({ endedAt, since }) => endedAt ?? since,
    order: 'newestFirst',
    empty: 'No call has ended today (UTC).',
  },
};

export type Lists = Readonly<Record<ViewName, readonly CallRow[]>>;

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** The rows of every tab, in their order. */
export function listsOf(rows: Iterable<CallRow>): Lists {
  const lists = { attention: [], air: [], unrecorded: [], ended: [] } as Record<ViewName, CallRow[]>;
  for (const row of rows) for (const name of viewNames) if (views[name].has(row)) lists[name].push(row);
  for (const name of viewNames) {
    const { time, order } = views[name];
    const sign = order === 'newestFirst' ? -1 : 1;
    lists[name].sort((a, b) => sign * compare(time(a), time(b)) || compare(a.id, b.id));
  }
  return lists;
}

/** Rows that have every word of the filter in an id, a name, their state or a reason. */
export function filtered(rows: readonly CallRow[], filter: string): readonly CallRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = textOf(row);
    return words.every((word) => text.includes(word));
  });
}

const textOf = ({ id, tenant, app, policy, state, lastRefusal, notRecordedBecause }: CallRow): string =>
  [id, tenant, app, policy, stateWords[state], lastRefusal?.reason, notRecordedBecause]
    .filter((part) => typeof part === 'string')
    .join('\n')
    .toLowerCase();
