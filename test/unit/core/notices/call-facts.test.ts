import { describe, expect, test } from '@jest/globals';
import type { CallFacts } from '../../../../src/core/notices/notice.ts';
import { readNotices } from '../../../../src/core/notices/read.ts';
import { batch, body, callPath, keyOf, noFacts, tenant } from '../../../fixtures/notifications/read.ts';

const id = '5e8d1b20-6c4f-4a9e-8b37-d0f2a1c3e414';
const other = 'a4d70e3b-5f29-4186-b0c8-6e1f3d9a2c18';

function factsOf(resourceData: Record<string, unknown>): CallFacts {
  const { notices } = readNotices(batch({ resourceUrl: callPath, resourceData }), tenant);
  const [notice] = notices;
  if (notice?.kind !== 'call') throw new Error('no notification of a call was read');
  return notice.facts;
}
const factsOfBot = (botData: unknown): CallFacts => factsOf({ applicationMetadata: { botData } });

test('an invitation by policy tells the facts of the call, and nothing else is taken from it', () => {
  expect(readNotices(body('policy-invitation'), tenant).notices).toEqual([
    {
      kind: 'call',
      call: keyOf('3c2f0a0051c94f0e9d0c6a1f7e2b9d01'),
      changeType: 'created',
      state: 'incoming',
      result: null,
      facts: {
        tenant,
        direction: 'incoming',
        callChainId: 'b2a4c9d6-7a0e-4d57-9a43-1f6f0c2d5e11',
        threadId: '19:meeting_Q2FuYXJ5TWVldGluZ1RocmVhZA@thread.v2',
        source: id,
        applicationInstance: '2b9f7d46-1e03-4c8a-9d62-7a5e0b4c8f16',
        observedParticipantId: '91c6f0de-3b58-49a5-b7c1-8d2e5f4a6b13',
        sourceParticipantId: '6f3a8c05-9b1d-4e72-a4f6-0c8d2e7b5a17',
        onBehalfOf: null,
        transferor: null,
        policyIdentifier: 'TeamsComplianceRecordingPolicy=Tenant:Händler, Frankfurt',
        inviteReasons: ['ComplianceRecording'],
        policyHolder: id,
        otherSideUser: other,
        pairedRecorders: ['e81b5d2f-0a7c-4936-8f4e-b3c6d9a01219'],
        otherRecorders: [],
        isMultiParty: true,
      },
    },
  ]);
});

test('an invitation as documented tells the facts of the call, and no number of a caller', () => {
  expect(readNotices(body('policy-invitation-documented'), tenant)).toEqual({
    notices: [
      {
        kind: 'call',
        call: keyOf('4d3f0b1162da4a1f8e1d7b2a8f3cae02'),
        changeType: 'created',
        state: 'incoming',
        result: null,
        facts: {
          ...noFacts,
          tenant,
          direction: 'incoming',
          observedParticipantId: '6f3a8c05-9b1d-4e72-a4f6-0c8d2e7b5a17',
          onBehalfOf: 'f7c2e9a4-3d16-4b85-90ea-5c8b1d0f7e21',
          transferor: '08d3fab5-4e27-4c96-a1fb-6d9c2e1a8f22',
          policyIdentifier: 'Traders',
          inviteReasons: ['PolicyBasedRecording'],
          policyHolder: id,
          otherRecorders: ['19e40bc6-5f38-4da7-b20c-7ead3f2b9023'],
        },
      },
    ],
    ignored: {},
  });
});

describe('an id', () => {
  const undashed = id.replaceAll('-', '').toUpperCase();
  test.each([
    [id, id],
    [id.toUpperCase(), id],
    [undashed, id],
    [`8:orgid:${id}`, id],
    [`28:${id.toUpperCase()}`, id],
    ['8:acs:Resource_User-1', '8:acs:Resource_User-1'],
    ['i'.repeat(128), 'i'.repeat(128)],
  ])('%s is read as %s', (given, read) => {
    expect(factsOf({ callChainId: given }).callChainId).toBe(read);
  });

  test.each<unknown>([
    '',
    'i'.repeat(129),
    'two words',
    'b\u00e9b\u00e9',
    'x\n',
    'x\u0000',
    '\u202ex',
    '__proto__',
    '+15550100199',
    '15550100199',
    '(555)010-0199',
    '4:+15550100199',
    '4:anonymous',
    'tel:+15550100199',
    'sip:adele@example.com',
    'adele@example.com',
    '8:live:adele.vance',
    1,
    null,
    [id],
    { id },
  ])('%j is not kept', (given) => {
    expect(factsOf({ callChainId: given }).callChainId).toBeNull();
    expect(factsOfBot({ otherSideUser: { id: given } }).otherSideUser).toBeNull();
  });
});

describe('the facts of a call', () => {
  test.each<[string, unknown, Partial<CallFacts>]>([
    ['direction', 'Outgoing', { direction: 'outgoing' }],
    ['direction', 'INCOMING', { direction: 'incoming' }],
    ['direction', 'sideways', {}],
    ['direction', 1, {}],
    ['chatInfo', { threadId: '19:x@thread.v2', messageId: '1' }, { threadId: '19:x@thread.v2' }],
    ['chatInfo', { threadId: 'a b' }, {}],
    ['chatInfo', { threadId: 't'.repeat(129) }, {}],
    ['chatInfo', { threadId: '15550100199' }, {}],
    ['chatInfo', null, {}],
    ['source', { id: other, identity: { user: { id } } }, { source: id }],
    ['source', { identity: { phone: { id: '+15550100199' } } }, {}],
    ['source', { identity: { guest: { id } } }, {}],
    ['source', id, {}],
    ['source', { id }, {}],
    ['targets', [{ identity: { applicationInstance: { id } } }], { applicationInstance: id }],
    [
      'targets',
      [{ identity: { user: { id: other } } }, null, { identity: { applicationInstance: { id } } }],
      { applicationInstance: id },
    ],
    [
      'targets',
      [{ identity: { applicationInstance: { id } } }, { identity: { applicationInstance: { id: other } } }],
      { applicationInstance: id },
    ],
    ['targets', { identity: { applicationInstance: { id } } }, {}],
    ['incomingContext', { onBehalfOf: { user: { id } } }, { onBehalfOf: id }],
    ['incomingContext', { onBehalfOf: { identity: { user: { id } } } }, { onBehalfOf: id }],
    ['incomingContext', { onBehalfOf: { id } }, { onBehalfOf: id }],
    ['incomingContext', { onBehalfOf: { phone: { id: '+15550100199' } } }, {}],
    ['incomingContext', { transferor: { user: { id } } }, { transferor: id }],
    ['incomingContext', { transferor: { id: other, identity: { user: { id } } } }, { transferor: id }],
    ['incomingContext', { transferor: { id } }, {}],
    ['incomingContext', { transferor: { phone: { id: '+15550100199' } } }, {}],
    ['incomingContext', [], {}],
  ])('with %s %j', (field, value, read) => {
    expect(factsOf({ [field]: value })).toEqual({ ...noFacts, ...read });
  });

  test.each<[string, unknown, Partial<CallFacts>]>([
    ['policyIdentifier', 'A policy: für Händler', { policyIdentifier: 'A policy: für Händler' }],
    ['policyIdentifier', 'p'.repeat(128), { policyIdentifier: 'p'.repeat(128) }],
    ['policyIdentifier', 'p'.repeat(129), {}],
    ['policyIdentifier', '\u{1F4A1}'.repeat(65), {}],
    ['policyIdentifier', 'two\nlines', {}],
    ['policyIdentifier', '\u202etxet', {}],
    ['policyIdentifier', '\ud800', {}],
    ['policyIdentifier', '', {}],
    ['policyIdentifier', 7, {}],
    ['inviteReasons', ['A', 'B', 'A'], { inviteReasons: ['A', 'B', 'A'] }],
    ['inviteReasons', 'ComplianceRecording', { inviteReasons: ['ComplianceRecording'] }],
    ['inviteReasons', ['A', null, 1, 'x y', 'B'], { inviteReasons: ['A', 'B'] }],
    ['inviteReasons', { reason: 'A' }, {}],
    ['user', { id: `8:orgid:${id}` }, { policyHolder: id }],
    ['user', { id: other, policyHolderId: `8:orgid:${id}` }, { policyHolder: id }],
    ['user', { displayName: id }, {}],
    ['otherSideUser', { id, participantId: other }, { otherSideUser: id }],
    ['otherSideUser', { participantId: other }, {}],
    ['pairedRecorders', [{ id, participantId: other }, {}, null], { pairedRecorders: [id] }],
    ['pairedRecorders', { id }, {}],
    ['otherRecorders', [{ id }, { id: other }], { otherRecorders: [id, other] }],
    ['isMultiParty', false, { isMultiParty: false }],
    ['isMultiParty', 'true', {}],
    ['mediaHostedRegion', 'EUWE', {}],
  ])('with %s %j among what the platform tells a bot', (field, value, read) => {
    expect(factsOfBot({ [field]: value })).toEqual({ ...noFacts, ...read });
  });

  test.each<unknown>([
    null,
    'x',
    [],
    { botData: null },
    { botData: '{"isMultiParty":true}' },
    { botData: [] },
  ])('may have the metadata %j', (applicationMetadata) => {
    expect(factsOf({ applicationMetadata })).toEqual(noFacts);
  });

  test('lists at most 16 of anything', () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ id: `r-${index}` }));
    const first = many.slice(0, 16).map((one) => one.id);
    expect(
      factsOfBot({ pairedRecorders: many, otherRecorders: many, inviteReasons: many.map((one) => one.id) }),
    ).toEqual({ ...noFacts, pairedRecorders: first, otherRecorders: first, inviteReasons: first });
  });
});
