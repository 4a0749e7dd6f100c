import { describe, expect, test } from '@jest/globals';
import { Model } from '../../../../src/console/page/model.ts';
import { filtered, listsOf } from '../../../../src/console/page/views.ts';
import type { CallRow, Head } from '../../../../src/console/row.ts';

const row = (id: string, more: Partial<CallRow> = {}): CallRow => ({
  ...{ id, state: 'recording', since: '2026-01-31T12:00:00.000Z', tenant: 'tenant-1', app: 'app-1' },
  ...{ policy: 'default', epoch: 1, openedAt: '2026-01-31T12:00:00.000Z', writes: 0, bytes: 0 },
  ...{ writesPerSecond: 0, bytesPerSecond: 0, lastRefusal: null, refused: 0, observed: 0, roster: 'unknown' },
  ...{ lastHeard: null, endedAt: null, endCause: null, attention: [], notRecordedBecause: null },
  ...{ held: false, enforced: true },
  ...more,
});
const head = { holds: [], enforcing: true } as unknown as Head;

describe('what the page has been told', () => {
  test('a snapshot replaces everything, changes replace rows', () => {
    const model = new Model();
    model.take({ type: 'snapshot', calls: [row('a'), row('b')], head }, 0);
    model.take({ type: 'calls', changed: [row('b', { state: 'idle' }), row('c')], removed: ['a'] }, 0);
    expect([...model.rows.values()].map(({ id, state }) => [id, state])).toEqual([
      ['b', 'idle'],
      ['c', 'recording'],
    ]);
    model.take({ type: 'snapshot', calls: [row('d')], head }, 0);
    expect([...model.rows.keys()]).toEqual(['d']);
  });

  test('media counts while it is told of, of known calls only, and sorts nothing anew', () => {
    const model = new Model();
    model.take({ type: 'snapshot', calls: [row('a')], head }, 0);
    const { revision } = model;
    const moved = (id: string) => ({ id, writesPerSecond: 2, bytesPerSecond: 500 });
    model.take({ type: 'activity', calls: [moved('a'), moved('x')] }, 1000);
    expect(model.rateOf('a', 1500)).toMatchObject({ writes: 2, bytes: 500 });
    expect(model.totalRate(1500)).toEqual({ writes: 2, bytes: 500 });
    expect(model.rateOf('a', 5000)).toEqual({ writes: 0, bytes: 0 });
    expect(model.totalRate(5000)).toEqual({ writes: 0, bytes: 0 });
    expect(model.revision).toBe(revision);
  });
});

describe('tabs', () => {
  const rows = [
    row('new', { openedAt: '2026-01-31T13:00:00.000Z' }),
    row('old', { attention: ['openWithoutMedia'] }),
    row('closed', { state: 'idle', notRecordedBecause: 'The bot ended the recording.' }),
    row('over', { state: 'ended', endedAt: '2026-01-31T12:30:00.000Z' }),
    row('never', { state: 'ended', endedAt: '2026-01-31T12:40:00.000Z', notRecordedBecause: 'Never asked.' }),
  ];

  test('each has its calls, in its order', () => {
    const lists = listsOf(rows);
    const ids = Object.fromEntries(
      Object.entries(lists).map(([name, list]) => [name, list.map(({ id }) => id)]),
    );
    expect(ids).toEqual({
      attention: ['old'],
      air: ['new', 'old'],
      unrecorded: ['closed', 'never'],
      ended: ['never', 'over'],
    });
  });

  test.each([
    ['', 5],
    ['OLD', 1],
    ['tenant-1 default', 5],
    ['tenant-1 nobody', 0],
    ['ended', 3],
    ['on air', 2],
  ])('the filter %j leaves %d calls', (filter, left) => {
    expect(filtered(rows, filter)).toHaveLength(left);
  });
});
