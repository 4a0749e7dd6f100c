import { describe, expect, test } from '@jest/globals';
import { attentionTimes } from '../../../src/console/projection/attention.ts';
import { Projection } from '../../../src/console/projection/projection.ts';
import type { CallRow } from '../../../src/console/row.ts';
import { toGuid } from '../../../src/core/call/key.ts';
import { callNumber, consoleApp, consoleTenant, recordOf } from '../../support/console-records.ts';

const noon = Date.parse('2026-01-31T12:00:00.000Z');

function world(maxCalls = 100): { now: number; projection: Projection } {
  const it = { now: noon, projection: undefined as unknown as Projection };
  it.projection = new Projection({
    now: () => it.now,
    policyName: (digest) => (digest === 'known' ? 'strict' : undefined),
    maxCalls,
  });
  return it;
}

const rowOf = (projection: Projection, call = 1): CallRow => {
  const found = projection.get(callNumber(call));
  if (found === undefined) throw new Error('the call is not shown');
  return found.row;
};

describe('the attention of a person is asked for', () => {
  test('a start that failed, until one succeeds', () => {
    const { projection } = world();
    projection.take(...recordOf(1, 'startRequested', 1, { at: noon }));
    projection.take(...recordOf(1, 'startRefused', 2, { at: noon, detail: { code: '8506' } }));
    expect(rowOf(projection)).toMatchObject({
      attention: ['refusedStart'],
      notRecordedBecause: expect.stringContaining('8506') as unknown,
    });
    projection.take(...recordOf(1, 'startRequested', 3, { at: noon }));
    projection.take(...recordOf(1, 'startConfirmed', 4, { at: noon }));
    expect(rowOf(projection).attention).toEqual([]);
  });

  test('a stop that Graph has not confirmed for a while', () => {
    const it = world();
    it.projection.take(...recordOf(1, 'startConfirmed', 1, { at: noon }));
    it.projection.take(...recordOf(1, 'drained', 2, { at: noon }));
    expect(rowOf(it.projection)).toMatchObject({ state: 'unconfirmed', attention: [] });
    it.now += attentionTimes.unconfirmedMs;
    expect(rowOf(it.projection).attention).toEqual(['unconfirmed']);
  });

  test('an established call whose bot asks for nothing', () => {
    const it = world();
    it.projection.take(...recordOf(1, 'notified', 1, { at: noon, detail: { state: 'established' } }));
    expect(rowOf(it.projection).attention).toEqual([]);
    it.now += attentionTimes.notStartedMs;
    expect(rowOf(it.projection)).toMatchObject({
      attention: ['notStarted'],
      notRecordedBecause: 'The bot has not requested a recording.',
    });
  });

  test('an open gate without media, judged only by who listens', () => {
    const it = world();
    it.projection.take(...recordOf(1, 'startConfirmed', 1, { at: noon }));
    it.now += 2 * attentionTimes.withoutMediaMs;
    expect(rowOf(it.projection).attention).toEqual([]);
    it.projection.watched(true);
    it.now += attentionTimes.withoutMediaMs;
    expect(rowOf(it.projection).attention).toEqual(['openWithoutMedia']);
    const moved = { call: callNumber(1), writes: 2, bytes: 640, refused: 0, lastRefusal: null };
    const total = { epoch: 1000, writes: 5, bytes: 1600 };
    it.projection.takeActivity([{ instance: 'a', calls: [{ ...moved, total }] }]);
    expect(rowOf(it.projection)).toMatchObject({
      ...{ attention: [], writes: 5, bytes: 1600, writesPerSecond: 2, bytesPerSecond: 640 },
    });
    it.projection.watched(false);
    it.now += 2 * attentionTimes.withoutMediaMs;
    expect(rowOf(it.projection)).toMatchObject({ attention: [], writesPerSecond: 0 });
  });

  test('a contradiction of this recording, also after the call has ended', () => {
    const { projection } = world();
    projection.take(...recordOf(1, 'contradicted', 1, { detail: { kind: 'neverShown', showing: [] } }));
    expect(rowOf(projection)).toMatchObject({ attention: ['contradiction'], roster: 'notShown' });
    projection.take(...recordOf(1, 'ended', 2, { detail: { cause: 'hangUp' } }));
    expect(rowOf(projection)).toMatchObject({ state: 'ended', attention: ['contradiction'] });
  });

  test('silence, as the store reports it, and holds', () => {
    const { projection } = world();
    projection.take(...recordOf(1, 'bound'));
    projection.setIdle([callNumber(1)]);
    const hold = { id: 'x', number: 1, reason: 'x', by: { issuer: 'i', subject: 's' }, at: '' };
    projection.setHolds([{ ...hold, scope: { app: consoleApp } }]);
    expect(rowOf(projection)).toMatchObject({ attention: ['silent', 'held'], held: true });
    projection.setHolds([{ ...hold, scope: { tenant: consoleApp } }]);
    projection.setIdle([]);
    expect(rowOf(projection)).toMatchObject({ attention: [], held: false });
  });
});

describe('whose call it is', () => {
  test('is known once Graph has accepted somebody for it', () => {
    const { projection } = world();
    projection.take(...recordOf(1, 'startRequested'));
    expect(rowOf(projection)).toMatchObject({ tenant: null, app: null });
    expect(projection.list([consoleTenant])).toEqual([]);
    projection.take(...recordOf(1, 'startConfirmed', 2));
    expect(projection.list([consoleTenant])).toHaveLength(1);
    expect(projection.list([consoleApp])).toEqual([]);
  });
});

describe('changes', () => {
  test('come in pages, each call once, with what was removed', () => {
    const it = world();
    for (let call = 1; call <= 5; call++) it.projection.take(...recordOf(call, 'bound', 1, { at: noon }));
    const first = it.projection.changes(0, null, 3);
    expect(first).toMatchObject({ whole: true, removed: [] });
    expect(first.changed).toHaveLength(3);
    const second = it.projection.changes(first.revision, null, 3);
    expect(second.whole).toBe(false);
    expect(new Set([...first.changed, ...second.changed].map(({ id }) => id)).size).toBe(5);
    it.projection.take(...recordOf(1, 'ended', 2, { at: noon }));
    it.now += 86_400_000;
    it.projection.tick();
    const third = it.projection.changes(second.revision, null, 3);
    expect(third).toMatchObject({ whole: false, changed: [], removed: [toGuid(callNumber(1))] });
    expect(it.projection.changes(third.revision, null, 3)).toMatchObject({ changed: [], removed: [] });
  });

  test('begin anew with the journal', () => {
    const { projection } = world();
    projection.take(...recordOf(1, 'bound'));
    const { revision } = projection.changes(0, null, 10);
    projection.begin();
    projection.take(...recordOf(2, 'bound'));
    expect(projection.changes(revision, null, 10)).toMatchObject({
      whole: true,
      changed: [{ id: toGuid(callNumber(2)) }],
    });
  });
});

test('memory is bounded: calls that have ended go first', () => {
  const { projection } = world(10);
  for (let call = 0; call < 5; call++) projection.take(...recordOf(call, 'startConfirmed', 1, { at: noon }));
  for (let call = 5; call < 500; call++) projection.take(...recordOf(call, 'ended', 1, { at: noon }));
  const left = projection.list(null);
  expect(left.length).toBeLessThanOrEqual(10);
  expect(left.filter(({ state }) => state === 'recording')).toHaveLength(5);
});

test('text from outside stays what it is, and no more of it than is readable', () => {
  const { projection } = world();
  projection.take(...recordOf(1, 'startRequested', 1));
  projection.take(...recordOf(1, 'startRefused', 2, { detail: { code: '<script>alert(1)</script>' } }));
  expect(rowOf(projection).notRecordedBecause).toBe(
    'Graph refused the recording (<script>alert(1)</script>).',
  );
  projection.take(...recordOf(1, 'startRefused', 3, { detail: { code: 'a\u0000\u202eb' } }));
  expect(rowOf(projection).notRecordedBecause).toBe('Graph refused the recording (no error code).');
});
