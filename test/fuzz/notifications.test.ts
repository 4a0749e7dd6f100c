import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyRoster, type Roster } from '../../src/core/call/roster.ts';
import { parseJsonText } from '../../src/core/json.ts';
import { readNotices } from '../../src/core/notices/read.ts';
import { readRoster } from '../../src/core/notices/roster.ts';
import { allBodies, callId, tenant } from '../fixtures/notifications/read.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

const guid = '91c6f0de-3b58-49a5-b7c1-8d2e5f4a6b13';
const examples = allBodies().map((body) => JSON.stringify(body));
const pieces = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  'null',
  '0',
  '1e400',
  '"__proto__":{}',
  callId,
  guid,
  '\\u0000',
  '../',
  '%2e%2e',
  '"value":',
  '"value":[',
  'recording',
];

const paths = [
  ...['', '/participants', `/participants/${guid}`, `/operations/${guid}`, `('${guid}')`, '/../x'].map(
    (part) => `/communications/calls/${callId}${part}`,
  ),
  `https://graph.microsoft.com/v1.0/app/calls('${callId}')`,
  `/communications/calls/${guid}`,
  '/communications/onlineMeetings/x',
];
const entry = fc.record(
  {
    changeType: fc.constantFrom('created', 'updated', 'deleted', 'Updated', 'x', 1),
    resourceUrl: fc.constantFrom(...paths),
    resource: fc.constantFrom(...paths, '', null),
    resourceData: nearJson(
      [
        'id',
        'state',
        'status',
        '@odata.type',
        '@odata.id',
        'state@odata.type',
        'recordingInfo@odata.type',
        'tenantId',
        'participants',
        'recordingInfo',
        'recordingStatus',
        'rosterSequenceNumber',
        'sequenceNumber',
        'initiator',
        'application',
        'removedState',
        'resultInfo',
        'code',
      ],
      [
        callId,
        guid,
        tenant,
        'established',
        'terminated',
        'completed',
        'failed',
        'recording',
        'notRecording',
        1,
        7,
        '7',
        null,
        ...paths,
      ],
    ),
  },
  { requiredKeys: ['changeType', 'resourceUrl'] },
);

/** Every call that a text names, in the spelling of a key. */
const callsIn = (text: string): string[] =>
  text
    .toLowerCase()
    .replaceAll('-', '')
    .match(/(?=([0-9a-f]{32}))/g) === null
    ? []
    : [
        ...text
          .toLowerCase()
          .replaceAll('-', '')
          .matchAll(/(?=([0-9a-f]{32}))/g),
      ].map(([, key = '']) => key);

function read(text: string): void {
  const { notices, ignored } = readNotices(parseJsonText(text), tenant);
  const named = new Set(callsIn(text));
  for (const notice of notices) {
    // Nothing is told of a call, an operation or a participant that the text does not name.
    expect(named.has(notice.call)).toBe(true);
    if (notice.kind === 'operation') expect(named.has(notice.operation.replaceAll('-', ''))).toBe(true);
    if (notice.kind !== 'roster') continue;
    let roster: Roster = emptyRoster;
    for (let twice = 0; twice < 2; twice++)
      roster = readRoster(roster, notice, { application: guid, applicationInstance: null }).roster;
    expect(Object.keys(roster.participants).length).toBeLessThanOrEqual(64);
  }
  expect(JSON.stringify(notices).length).toBeLessThan(4096 * (notices.length + 1) + text.length);
  for (const count of Object.values(ignored)) expect(count).toBeGreaterThan(0);
}

test('Graph’s own examples with a few edits are read without a fault, and tell only of what they name', () => {
  fc.assert(fc.property(edited(fc.constantFrom(...examples), pieces), read), cases());
});

test('notifications that are near to Graph’s are read without a fault, and tell only of what they name', () => {
  let told = 0;
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), (value) => {
      const text = JSON.stringify({ value });
      read(text);
      told += readNotices(parseJsonText(text), tenant).notices.length;
    }),
    cases(),
  );
  expect(told).toBeGreaterThan(ofLongRun(200));
});
