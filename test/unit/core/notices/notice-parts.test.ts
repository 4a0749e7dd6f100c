import { describe, expect, test } from '@jest/globals';
import { readNotices } from '../../../../src/core/notices/read.ts';
import { batch, body, call, callPath, tenant } from '../../../fixtures/notifications/read.ts';

const operation = '7b5e1d90-40ac-4f32-98e6-2d1c0b8a7f31';
const [adele, grady, bot] = [
  '91c6f0de-3b58-49a5-b7c1-8d2e5f4a6b13',
  '6f3a8c05-9b1d-4e72-a4f6-0c8d2e7b5a17',
  '0a6e9b7c-2f5d-4b0d-8f55-3c9a1d7e4b12',
];
const application = 'd8b3f6a1-7c20-4e59-8a4d-0f9e1b2c3d41';
const applicationInstance = '2b9f7d46-1e03-4c8a-9d62-7a5e0b4c8f16';

const readOne = (entry: Record<string, unknown>) => readNotices(batch(entry), tenant);

describe('a notification of an operation', () => {
  const resourceUrl = `${callPath}/operations/${operation}`;
  const notice = { kind: 'operation', call, operation, type: 'unknown', final: false };
  const statusType = '#microsoft.graph.updateRecordingStatusOperation';

  test('tells that a status change has ended', () => {
    expect(readNotices(body('operation-completed'), tenant)).toEqual({
      notices: [{ ...notice, type: 'updateRecordingStatus', final: true }],
      ignored: {},
    });
  });

  test.each<[string, unknown, boolean]>([
    ['updated', 'completed', true],
    ['updated', 'Completed', true],
    ['updated', 'FAILED', true],
    ['created', 'failed', true],
    ['updated', 'running', false],
    ['updated', 'NotStarted', false],
    ['created', 'notStarted', false],
    ['updated', null, false],
    ['updated', undefined, false],
    ['updated', 2, false],
    ['updated', ['completed'], false],
    ['updated', 'completed ', false],
    ['deleted', 'running', true],
    ['Deleted', undefined, true],
  ])('that is %s with status %j: there is something to read, %s', (changeType, status, final) => {
    expect(readOne({ changeType, resourceUrl, resourceData: { status } }).notices).toEqual([
      { ...notice, final },
    ]);
  });

  test.each<[unknown, string]>([
    [statusType, 'updateRecordingStatus'],
    [statusType.slice(1), 'updateRecordingStatus'],
    [statusType.toUpperCase(), 'updateRecordingStatus'],
    ['updateRecordingStatusOperation', 'updateRecordingStatus'],
    ['#microsoft.graph.recordOperation', 'other'],
    ['#microsoft.graph.updateRecordingStatusOperationResult', 'other'],
    ['#microsoft.graph.commsOperation', 'unknown'],
    ['', 'unknown'],
    ['#', 'unknown'],
    [null, 'unknown'],
    [undefined, 'unknown'],
    [7, 'unknown'],
  ])('of the type %j is of a status change: %s', (type, read) => {
    expect(readOne({ resourceUrl, resourceData: { '@odata.type': type } }).notices).toEqual([
      { ...notice, type: read },
    ]);
  });

  test('names the operation in one spelling', () => {
    const spelled = operation.replaceAll('-', '').toUpperCase();
    const entry = { resourceUrl: `${callPath}/operations('${spelled}')`, resourceData: { id: operation } };
    expect(readOne(entry).notices).toEqual([notice]);
  });

  test('may lack its data, and may not name another operation in it', () => {
    expect(readOne({ resourceUrl }).notices).toEqual([notice]);
    expect(readOne({ resourceUrl, resourceData: [] }).notices).toEqual([notice]);
    expect(readOne({ resourceUrl, resourceData: { id: adele } }).ignored).toEqual({ contradictory: 1 });
  });
});

const unnamed = { application: null, applicationInstance: null };
const silent = { sequence: null, removed: false, status: null, initiator: unnamed };
const roster = { kind: 'roster', call, delta: false, entries: [] };
const participants = `${callPath}/participants`;
const rosterOf = (resourceData: unknown, changeType = 'updated'): unknown =>
  readOne({ resourceUrl: participants, resourceData, changeType }).notices[0];

describe('a notification of all participants', () => {
  test('tells who shows a recording, and whose', () => {
    expect(readNotices(body('roster-full'), tenant)).toEqual({
      notices: [
        {
          ...roster,
          entries: [
            {
              ...silent,
              participant: adele,
              status: 'recording',
              initiator: { application, applicationInstance },
            },
            { ...silent, participant: grady, status: 'other' },
            { ...silent, participant: bot },
          ],
        },
      ],
      ignored: {},
    });
  });

  test('may tell only what changed', () => {
    expect(readNotices(body('roster-delta'), tenant).notices).toEqual([
      {
        ...roster,
        delta: true,
        entries: [
          {
            participant: adele,
            sequence: 7,
            removed: false,
            status: 'recording',
            initiator: { application, applicationInstance: null },
          },
          { ...silent, participant: grady, sequence: 8, removed: true },
        ],
      },
      { ...roster, delta: true, entries: [{ ...silent, participant: bot, sequence: 9 }] },
    ]);
  });

  test.each<[string, unknown, boolean]>([
    ['nobody', [], false],
    ['one', [{ id: adele }], false],
    ['sequence 0', [{ id: adele, rosterSequenceNumber: 0 }, { id: grady }], false],
    ['no removal', [{ id: adele, removedState: null, rosterSequenceNumber: null }], false],
    ['a sequence', [{ id: adele }, { id: grady, rosterSequenceNumber: 1 }], true],
    ['a sequence as text', [{ id: adele, rosterSequenceNumber: '12' }], true],
    ['a removal', [{ id: adele }, { id: grady, removedState: {} }], true],
    ['somebody who cannot be read', [{ id: adele }, { id: 7 }], true],
    ['one who is no object', [{ id: adele }, null], true],
    ['no list', null, true],
    ['a single one', { id: adele }, true],
    ['a delta without a number', { participants: [{ id: adele }] }, true],
  ])('with %s is a delta: %#', (_, data, delta) => {
    expect(rosterOf(data)).toMatchObject({ kind: 'roster', delta });
  });

  test('of whom nothing can be read tells nothing', () => {
    for (const data of [undefined, null, 'x', {}, { participants: {} }, { id: 'a b' }])
      expect(rosterOf(data)).toEqual({ ...roster, delta: true });
  });

  test('keeps the order and repetitions', () => {
    expect(rosterOf([{ id: grady }, { id: adele }, { id: grady }])).toMatchObject({
      entries: [{ participant: grady }, { participant: adele }, { participant: grady }],
    });
  });

  test('names a participant in one spelling', () => {
    const spellings = [adele.toUpperCase(), adele.replaceAll('-', ''), 'Guest:A'];
    expect(rosterOf(spellings.map((id) => ({ id })))).toMatchObject({
      entries: [{ participant: adele }, { participant: adele }, { participant: 'guest:a' }],
    });
  });

  test('is read up to a thousand, and is then no full one', () => {
    const many = Array.from({ length: 1001 }, (_, index) => ({ id: `p-${index}` }));
    expect(rosterOf(many.slice(0, 1000))).toMatchObject({ delta: false, entries: { length: 1000 } });
    expect(rosterOf(many)).toMatchObject({ delta: true, entries: { length: 1000 } });
  });

  test.each([
    [99, undefined],
    [100, true],
    [101, true],
  ])('of %d participants is known to be whole, or at the limit of what Graph lists', (size, atLimit) => {
    const many = Array.from({ length: size }, (_, index) => ({ id: `p-${index}` }));
    for (const data of [many, { participants: many }, [...many.slice(1), { id: 'not readable' }]])
      expect((rosterOf(data) as { atLimit?: true }).atLimit).toBe(atLimit);
  });

  test('does not remove a whole list', () => {
    expect(rosterOf([{ id: adele }], 'deleted')).toMatchObject({
      delta: false,
      entries: [{ removed: false }],
    });
    expect(rosterOf({ id: adele }, 'deleted')).toMatchObject({ delta: true, entries: [{ removed: true }] });
  });

  test.each<[unknown, unknown]>([
    ['recording', 'recording'],
    ['RECORDING', 'recording'],
    ['notRecording', 'other'],
    ['failed', 'other'],
    ['unknown', 'other'],
    ['recording ', 'other'],
    ['r'.repeat(129), 'other'],
    [2, null],
    [null, null],
    [undefined, null],
    [['recording'], null],
  ])('reads the recording status %j as %j', (recordingStatus, status) => {
    expect(rosterOf([{ id: adele, recordingInfo: { recordingStatus } }])).toMatchObject({
      entries: [{ status }],
    });
  });

  test.each<[unknown, number | null]>([
    [5, 5],
    ['5', 5],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER + 1, null],
    ['99999999999999999999', null],
    [-1, null],
    [1.5, null],
    ['five', null],
    [true, null],
  ])('reads the sequence %j as %j', (rosterSequenceNumber, sequence) => {
    expect(rosterOf([{ id: adele, rosterSequenceNumber }])).toMatchObject({ entries: [{ sequence }] });
  });

  test.each<[unknown, unknown]>([
    [
      { initiator: { application: { id: application.toUpperCase() } } },
      { application, applicationInstance: null },
    ],
    [
      { initiatedBy: { identity: { applicationInstance: { id: applicationInstance } } } },
      { application: null, applicationInstance },
    ],
    [
      {
        initiator: { application: { id: application } },
        initiatedBy: { identity: { application: { id: bot } } },
      },
      { application, applicationInstance: null },
    ],
    [{ initiator: { user: { id: adele }, phone: { id: '+15550100199' } } }, unnamed],
    [{ initiator: application }, unnamed],
    [{ initiator: { application: { id: 'App-A' } } }, { ...unnamed, application: 'app-a' }],
    [{ initiator: { application: { id: 'a name' } } }, unnamed],
    [null, unnamed],
    ['recording', unnamed],
  ])('reads the initiator in %j', (recordingInfo, initiator) => {
    expect(rosterOf([{ id: adele, recordingInfo }])).toMatchObject({ entries: [{ initiator }] });
  });
});

describe('a notification of one participant', () => {
  const resourceUrl = `${participants}/${adele.replaceAll('-', '').toUpperCase()}`;

  test('is a delta of one', () => {
    const resourceData = { id: adele, recordingInfo: { recordingStatus: 'recording' } };
    expect(readOne({ resourceUrl, resourceData }).notices).toEqual([
      { ...roster, delta: true, entries: [{ ...silent, participant: adele, status: 'recording' }] },
    ]);
  });

  test.each<unknown>([undefined, null, [], {}, { id: null }, { id: '' }])(
    'may have the data %j',
    (resourceData) => {
      const entries = [{ ...silent, participant: adele, removed: true }];
      expect(readOne({ changeType: 'Deleted', resourceUrl, resourceData }).notices).toEqual([
        { ...roster, delta: true, entries },
      ]);
    },
  );

  test.each([grady, 'a b'])('may not be of another in its data: %s', (id) => {
    expect(readOne({ resourceUrl, resourceData: { id } })).toEqual({
      notices: [],
      ignored: { contradictory: 1 },
    });
  });
});
