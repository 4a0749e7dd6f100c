import { describe, expect, test } from '@jest/globals';
import { graphCallStates } from '../../../../src/core/call/graph-state.ts';
import { readNotices } from '../../../../src/core/notices/read.ts';
import {
  batch,
  body,
  call,
  callId,
  callPath,
  keyOf,
  noFacts,
  tenant,
} from '../../../fixtures/notifications/read.ts';

const otherCall = '4d3f0b11-62da-4a1f-8e1d-7b2a8f3cae02';
const part = '7b5e1d90-40ac-4f32-98e6-2d1c0b8a7f31';
const undashed = callId.replaceAll('-', '').toUpperCase();

const readOne = (entry: Record<string, unknown>) => readNotices(batch(entry), tenant);
const callNotice = {
  kind: 'call',
  call,
  changeType: 'updated',
  state: null,
  facts: noFacts,
  result: null,
};

describe('a body', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a string', 'x'],
    ['a number', 0],
    ['a list', [{ changeType: 'updated', resource: callPath }]],
    ['an empty object', {}],
    ['a value that is null', { value: null }],
    ['a value that is one notification', { value: { changeType: 'updated', resource: callPath } }],
    ['a value that is text', { value: '[]' }],
    ['the format of before Graph', body('legacy-incoming')],
  ])('that is %s is unreadable', (_, given) => {
    expect(readNotices(given, tenant)).toEqual({ notices: [], ignored: { unreadable: 1 } });
  });

  test('may be empty', () => {
    expect(readNotices({ value: [] }, tenant)).toEqual({ notices: [], ignored: {} });
  });

  test('keeps its order and its repetitions, and counts what is ignored by reason', () => {
    const first = { changeType: 'updated', resourceUrl: callPath, resourceData: { state: 'established' } };
    const second = { changeType: 'updated', resourceUrl: `/communications/calls/${otherCall}` };
    const elsewhere = { changeType: 'updated', resourceUrl: '/communications/onlineMeetings/1' };
    const foreign = { ...second, resourceData: { tenantId: otherCall } };
    const { notices, ignored } = readNotices(
      { value: [first, null, second, elsewhere, first, 'x', elsewhere, foreign, {}, first] },
      tenant,
    );
    expect(notices.map((notice) => notice.call)).toEqual([call, keyOf(otherCall), call, call]);
    expect(notices[0]).toEqual(notices[2]);
    expect(ignored).toEqual({ unreadable: 3, resourceUnknown: 2, tenantMismatch: 1 });
  });
});

describe('a notification', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['a list', []],
    ['a number', 1],
    ['without a change', { resourceUrl: callPath }],
    ['with another change', { changeType: 'moved', resourceUrl: callPath }],
    ['with a change that is no text', { changeType: ['updated'], resourceUrl: callPath }],
    ['without a resource', { changeType: 'updated', resourceData: { id: callId } }],
    ['with empty resources', { changeType: 'updated', resource: '', resourceUrl: '' }],
    ['with a resource that is no text', { changeType: 'updated', resourceUrl: { path: callPath } }],
  ])('%s is unreadable', (_, entry) => {
    expect(readNotices({ value: [entry] }, tenant)).toEqual({ notices: [], ignored: { unreadable: 1 } });
  });

  test.each([
    ['created', 'created'],
    ['Updated', 'updated'],
    ['DELETED', 'deleted'],
  ])('may spell its change %s', (changeType, read) => {
    expect(readOne({ changeType, resourceUrl: callPath }).notices).toEqual([
      { ...callNotice, changeType: read },
    ]);
  });
});

describe('the resource of a notification', () => {
  test.each([
    callPath,
    `/app/calls/${callId}`,
    `/v1.0/communications/calls/${callId}`,
    `/beta/app/calls/${callId}`,
    `https://graph.microsoft.com/v1.0/communications/calls/${callId}`,
    `HTTPS://graph.microsoft.us:443/beta/communications/calls('${undashed}')`,
    `/communications/calls('${callId}')`,
    `/communications/calls(%27${callId}%27)`,
    `communications/calls/${callId}`,
    `/Communications/CALLS/${undashed}/`,
    `/APP//calls/./${callId}?$select=state`,
    `/communications/calls/${callId.replace('3', '%33')}`,
  ])('%s is the call', (resource) => {
    expect(readOne({ resource })).toEqual({ notices: [callNotice], ignored: {} });
    expect(readOne({ resourceUrl: resource })).toEqual({ notices: [callNotice], ignored: {} });
  });

  test.each([
    [`${callPath}/operations/${part}`, 'operation'],
    [`/app/calls('${callId}')/operations('${part}')`, 'operation'],
    [`${callPath}/Operations/${part.toUpperCase()}/`, 'operation'],
    [`${callPath}/participants`, 'roster'],
    [`https://graph.microsoft.com/beta/app/calls/${undashed}/PARTICIPANTS?$top=5`, 'roster'],
    [`${callPath}/participants/${part}`, 'roster'],
    [`${callPath}/participants('${part}')`, 'roster'],
  ])('%s is of the kind %s', (resource, kind) => {
    const { notices, ignored } = readOne({ resource });
    expect(notices).toEqual([expect.objectContaining({ kind, call })]);
    expect(ignored).toEqual({});
  });

  test.each([
    '/',
    'x',
    'https://graph.microsoft.com',
    '/communications',
    '/communications/calls',
    '/communications/calls/',
    '/communications/calls/not-a-guid',
    `/communications/calls/{${callId}}`,
    `/communications/calls/${callId}x`,
    `/communications/calls/${callId}/x`,
    `/communications/calls/${callId}/../${otherCall}`,
    `/communications/calls/${callId.replace('3', '%2533')}`,
    `/communications/calls/${callId}#x`,
    `/communications/calls/${callId}/operations`,
    `/communications/calls/${callId}/operations/op-1`,
    `/communications/calls/${callId}/participants/p-1`,
    `/communications/calls/${callId}/participants/${part}/mute`,
    `/communications/calls/${callId}/audioRoutingGroups/${part}`,
    `/communications/calls/${callId}/contentSharingSessions/${part}`,
    `/communications/onlineMeetings/${callId}`,
    `/communications/callRecords/${callId}`,
    `/communications('calls')/${callId}`,
    `/users/calls/${callId}`,
    `/v2.0/communications/calls/${callId}`,
    `/v1.0/v1.0/communications/calls/${callId}`,
    `//graph.microsoft.com/communications/calls/${callId}`,
    `https://user@graph.microsoft.com/communications/calls/${callId}`,
    `ftp://graph.microsoft.com/communications/calls/${callId}`,
    `/communications/calls/${callId}`.padEnd(10_000, '/'),
    `/communications/calls/${callId}\u0000`,
    `/communications/\u212aalls/${callId}`,
  ])('%.90s is none that is known', (resource) => {
    expect(readOne({ resource })).toEqual({ notices: [], ignored: { resourceUnknown: 1 } });
  });

  test('may be named twice and not be known', () => {
    const twins = { resourceUrl: '/communications/onlineMeetings/1', resource: '/app/onlineMeetings/1' };
    expect(readOne(twins)).toEqual({ notices: [], ignored: { resourceUnknown: 1 } });
  });

  test('may be named twice, in two spellings', () => {
    const twins = { resourceUrl: callPath, resource: `/app/calls/${undashed}` };
    expect(readOne(twins)).toEqual({ notices: [callNotice], ignored: {} });
    expect(readOne({ resourceUrl: callPath, resource: null })).toEqual({
      notices: [callNotice],
      ignored: {},
    });
  });

  test.each([
    [callPath, `/app/calls/${otherCall}`],
    [callPath, `${callPath}/participants`],
    [callPath, '/app/onlineMeetings/1'],
    ['/communications/onlineMeetings/1', callPath],
    [`${callPath}/operations/${part}`, `${callPath}/operations/${otherCall}`],
    [`${callPath}/participants/${part}`, `${callPath}/participants`],
    [`${callPath}/participants/${part}`, `${callPath}/operations/${part}`],
  ])('may not be %s and %s', (resourceUrl, resource) => {
    expect(readOne({ resourceUrl, resource })).toEqual({ notices: [], ignored: { contradictory: 1 } });
  });

  test.each([
    { id: otherCall },
    { id: 'not-a-guid' },
    { id: `${callId}?x` },
    { '@odata.id': `/app/calls/${otherCall}` },
    { '@odata.id': `https://graph.microsoft.com/v1.0/communications/calls('${otherCall}')`, id: callId },
    { id: otherCall, tenantId: otherCall },
  ])('may not be contradicted by %j', (resourceData) => {
    expect(readOne({ resourceUrl: callPath, resourceData })).toEqual({
      notices: [],
      ignored: { contradictory: 1 },
    });
  });

  test.each([
    { id: undashed },
    { id: null, '@odata.id': null },
    { id: '', '@odata.id': '' },
    { '@odata.id': `/app/calls/${undashed}` },
    { '@odata.id': 'calls/elsewhere' },
  ])('is not contradicted by %j', (resourceData) => {
    expect(readOne({ resourceUrl: callPath, resourceData }).notices).toEqual([callNotice]);
  });
});

describe('the tenant of a call', () => {
  test.each([tenant, tenant.toUpperCase(), tenant.replaceAll('-', '').toUpperCase(), null, undefined, ''])(
    'may be %s',
    (tenantId) => {
      expect(readOne({ resourceUrl: callPath, resourceData: { tenantId } }).notices).toHaveLength(1);
    },
  );

  test.each([otherCall, 'common', 'a@b', `${tenant} `, '00000000-0000-0000-0000-000000000000'])(
    'that is %j is not the one of the token, and nothing is learned',
    (tenantId) => {
      const resourceData = { tenantId, state: 'terminated' };
      const changeType = 'deleted';
      expect(readOne({ changeType, resourceUrl: callPath, resourceData })).toEqual({
        notices: [],
        ignored: { tenantMismatch: 1 },
      });
    },
  );

  test('is compared as text if it is no GUID', () => {
    const entry = { resourceUrl: callPath, resourceData: { tenantId: 'A@b' } };
    expect(readNotices(batch(entry), 'a@b').ignored).toEqual({});
    expect(readNotices(batch(entry), 'c@d').ignored).toEqual({ tenantMismatch: 1 });
  });

  test('is not that of its participants', () => {
    const resourceData = [{ id: part, tenantId: otherCall }];
    expect(readOne({ resourceUrl: `${callPath}/participants`, resourceData }).ignored).toEqual({});
  });
});

describe('the state of a call', () => {
  test.each(graphCallStates.flatMap((state) => [state, state.toUpperCase(), state.toLowerCase()]))(
    'may be spelled %s',
    (state) => {
      const { notices } = readOne({ resourceUrl: callPath, resourceData: { state } });
      expect(notices).toEqual([
        { ...callNotice, state: graphCallStates.find((one) => one.toLowerCase() === state.toLowerCase()) },
      ]);
    },
  );

  test.each<unknown>(['unknownFutureValue', 'ended', '', ' established', 3, null, true, ['terminated'], {}])(
    'that is %j is not known',
    (state) => {
      expect(readOne({ resourceUrl: callPath, resourceData: { state } }).notices).toEqual([callNotice]);
    },
  );

  test.each<unknown>([undefined, null, 'x', [], {}])(
    'is not known from %j, not even of a deletion',
    (data) => {
      const deleted = { changeType: 'deleted', resourceUrl: callPath, resourceData: data };
      expect(readOne(deleted).notices).toEqual([{ ...callNotice, changeType: 'deleted' }]);
    },
  );
});

describe('the result of a call', () => {
  test.each<[unknown, unknown, number | null, number | null]>([
    [200, 5001, 200, 5001],
    ['200', '0', 200, 0],
    ['0410', 301005, 410, 301005],
    [undefined, null, null, null],
    [-1, 1.5, null, null],
    ['2e2', ' 1', null, null],
    ['', '-5', null, null],
    [true, [200], null, null],
    [1e300, '9'.repeat(20), null, null],
  ])('with code %j and subcode %j', (code, subcode, readCode, readSubcode) => {
    const resourceData = { resultInfo: { code, subcode, message: 'x' } };
    expect(readOne({ resourceUrl: callPath, resourceData }).notices).toEqual([
      { ...callNotice, result: { code: readCode, subcode: readSubcode } },
    ]);
  });

  test.each<unknown>([null, undefined, '200', 200, [200]])('is absent if it is %j', (resultInfo) => {
    expect(readOne({ resourceUrl: callPath, resourceData: { resultInfo } }).notices).toEqual([callNotice]);
  });
});

test('the end of a call is told twice: it is terminating, and it is terminated with a result', () => {
  expect(readNotices(body('terminated'), tenant)).toEqual({
    notices: [
      { ...callNotice, state: 'terminating' },
      {
        ...callNotice,
        changeType: 'deleted',
        state: 'terminated',
        facts: { ...noFacts, tenant },
        result: { code: 200, subcode: 5001 },
      },
    ],
    ignored: {},
  });
});
